/* Kinds op, op_edge, op_error, graph. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "runner.h"

#define MOST 64

typedef struct call { const cn_op *op; void *args; cn_tensor *x[MOST]; int64_t nx; cn_tensor *const *y; int64_t ny; } call;

static void *take(cn_graph *g, void *where, size_t size) {
  (void)where;
  return cni_alloc(g, size);
}

/* An entry of get_item's key, {"slice": [1, null, 2]}, {"int": 1}, {"newaxis": true} or {"ellipsis": true}, as the text that the operation takes. */
static json_t *key_text(const json_t *entry) {
  char text[96] = "", part[32];
  const json_t *bounds = json_object_get(entry, "slice"), *index = json_object_get(entry, "int");
  if (index) snprintf(text, sizeof text, "%lld", (long long)json_integer_value(index));
  else if (!bounds) snprintf(text, sizeof text, "%s", json_object_get(entry, "newaxis") ? "newaxis" : "...");
  for (size_t i = 0; i < json_array_size(bounds); i++) {
    const json_t *v = json_array_get(bounds, i);
    snprintf(part, sizeof part, json_is_null(v) ? "%s" : "%s%lld", i ? ":" : "", (long long)json_integer_value(v));
    strcat(text, part);
  }
  return json_string(text);
}
static json_t *with_key_texts(const run *r, const json_t *given) {
  json_t *args = json_copy((json_t *)(uintptr_t)given), *key = json_object_get(given, "key"), *texts = json_is_array(key) ? json_array() : NULL;
  for (size_t i = 0; i < json_array_size(key); i++) json_array_append_new(texts, key_text(json_array_get(key, i)));
  if (texts) json_object_set_new(args, "key", texts);
  if (r->real == CN_F32 && !strcmp(text_of(args, "dtype"), "float64")) json_object_set_new(args, "dtype", json_string("float32"));
  return args;
}

/* A number among the args where the operation has an input: a tensor of rank 0, of the dtype that the case names or the first input has. */
static void number_as_input(run *r, call *c, json_t *args, int row) {
  const cn_schema *s = &c->op->schema;
  const json_t *given = json_object_get(args, s->rows[row].name);
  cn_dtype dtype = c->nx ? cn_dtype_of(c->x[0]) : CN_F32;
  if (!json_is_number(given)) return;
  cn_dtype_from_name(text_of(args, "dtype"), &dtype);
  cn_tensor *x = cn_full(r->g, dtype, CN_SCALAR, json_number_value(given));
  memcpy((char *)c->args + s->rows[row].offset, &x, sizeof x);
  json_object_del(args, s->rows[row].name);
}

/* Fills the args struct: inputs by name (or as the list), options from the case's args. */
static bool prepare(run *r, call *c, const json_t *node, const char *name) {
  c->op = cn_op_find(name);
  if (!c->op) return unsupported(r, "op %s", name);
  const cn_schema *s = &c->op->schema;
  c->args = cni_alloc(r->g, s->size);
  if (!c->args) return library_failed(r, name);
  memcpy(c->args, s->defaults, s->size);
  if (c->op->inputs == CN_LIST) {
    const cn_tensors list = { c->x, c->nx };
    memcpy((char *)c->args + s->rows[0].offset, &list, sizeof list);
  }
  const json_t *names = json_object_get(node, "input_names");
  for (int64_t i = 0; c->op->inputs != CN_LIST && i < c->nx; i++) {
    const char *given = json_string_value(json_array_get(names, (size_t)i));
    int row = given ? cni_option_find(s, given) : (int)i;
    if (row < 0 || row >= c->op->inputs) row = (int)i;
    if (row >= c->op->inputs) return fail(r, "%s: no input %s", name, given ? given : "?");
    memcpy((char *)c->args + s->rows[row].offset, &c->x[i], sizeof c->x[i]);
  }
  json_t *args = with_key_texts(r, json_object_get(node, "args"));
  for (int row = 0; row < c->op->inputs; row++) number_as_input(r, c, args, row);
  const bool read = cni_options_from_json(r->g, s, c->args, args, NULL, &cni_models_factory, take, NULL);
  json_decref(args);
  return read || library_failed(r, name);
}

static bool apply(run *r, call *c) {
  c->y = cn_apply(r->g, c->op, c->args);
  if (!cn_ok(r->g) || !c->y[0]) return false;
  c->ny = cni_call_outputs(r->g, c->op, c->args);
  return true;
}

static bool read_inputs(run *r, call *c) {
  const json_t *inputs = json_object_get(r->c, "inputs");
  c->nx = (int64_t)json_array_size(inputs);
  for (int64_t i = 0; i < c->nx; i++)
    if (!(c->x[i] = tensor_from(r, json_array_get(inputs, (size_t)i)))) return library_failed(r, "inputs");
  return true;
}

/* Gradients of y with respect to the inputs that `wanted` is not null for; the others stay NULL. */
static bool gradients(run *r, cn_tensor *y, cn_tensor *const *x, int64_t n, const json_t *wanted, bool again, cn_tensor **dx) {
  cn_tensor *targets[MOST], *got[MOST];
  int64_t which[MOST], k = 0;
  for (int64_t i = 0; i < n; i++) {
    dx[i] = NULL;
    if (json_is_object(json_array_get(wanted, (size_t)i)) && cni_is_float((cn_dtype)x[i]->dtype)) which[k] = i, targets[k++] = x[i];
  }
  if (!y || !k) return true;
  if (!cn_gradients(r->g, y, CN_NO_TENSOR, targets, k, again, got)) return library_failed(r, "gradient");
  for (int64_t i = 0; i < k; i++) dx[which[i]] = got[i];
  return true;
}


/* A gradient's scale: that of its array, or a hundredth of all gradients'. */
static bool compare_gradients(run *r, const char *what, cn_tensor *const *got, const json_t *want, double all) {
  for (size_t i = 0; i < json_array_size(want); i++) {
    char text[64];
    const json_t *w = json_array_get(want, i);
    if (json_is_null(w)) continue;
    snprintf(text, sizeof text, "%s %zu", what, i);
    json_t *one = json_pack("[O]", w);
    const double largest = fmax(fmax(largest_of(one), 0.01 * all), 1e-5);
    json_decref(one);
    if (!same_scaled(r, text, got[i], w, largest)) return false;
  }
  return true;
}

static bool compare_outputs(run *r, const call *c, const json_t *want) {
  const json_t *only = json_object_get(r->c, "only_outputs");
  for (size_t i = 0; i < json_array_size(want); i++) {
    const int64_t k = json_is_array(only) ? json_integer_value(json_array_get(only, i)) : (int64_t)i;
    char text[64];
    snprintf(text, sizeof text, "output %zu", i);
    if (k >= c->ny) return fail(r, "%lld outputs, wanted more", (long long)c->ny);
    json_t *one = json_pack("[O]", json_array_get(want, i));
    const double largest = largest_of(one);
    json_decref(one);
    if (!same_scaled(r, text, c->y[k], json_array_get(want, i), largest)) return false;
  }
  return true;
}

static cn_tensor *weighted_outputs(run *r, const call *c) {
  const json_t *only = json_object_get(r->c, "only_outputs");
  cn_tensor *y[MOST];
  const int64_t n = json_is_array(only) ? (int64_t)json_array_size(only) : c->ny < MOST ? c->ny : MOST;
  for (int64_t i = 0; i < n; i++) y[i] = c->y[json_is_array(only) ? json_integer_value(json_array_get(only, (size_t)i)) : i];
  return total_of(r, y, n, json_object_get(r->c, "cotangents"), NULL);
}

/* s = sum over inputs of sum(g v); its gradients. */
static bool check_hvp(run *r, cn_tensor *total, cn_tensor *const *x, int64_t n) {
  const json_t *hvp = json_object_get(r->c, "hvp"), *v = json_object_get(r->c, "v"), *grads = json_object_get(r->c, "grad_inputs");
  if (!json_is_array(hvp) || !json_is_array(v) || !total) return true;
  cn_tensor *dx[MOST], *hx[MOST], *s = NULL;
  if (!gradients(r, total, x, n, v, true, dx)) return false;
  for (int64_t i = 0; i < n; i++) {
    cn_tensor *vi = tensor_from(r, json_array_get(v, (size_t)i));
    if (!dx[i] || !vi) continue;
    cn_tensor *part = cn_sum(r->g, cn_multiply(r->g, dx[i], vi));
    s = s ? cn_add(r->g, s, part) : part;
  }
  if (!gradients(r, s, x, n, hvp, false, hx)) return false;
  return compare_gradients(r, "hvp", hx, hvp, fmax(largest_of(hvp), largest_of(grads)));
}

void run_op(run *r) {
  call c = { .nx = 0 };
  r->scale = 0;
  if (!cn_op_find(text_of(r->c, "op"))) { unsupported(r, "op %s", text_of(r->c, "op")); return; }
  if (!read_inputs(r, &c) || !prepare(r, &c, r->c, text_of(r->c, "op"))) return;
  if (!apply(r, &c)) { library_failed(r, "call"); return; }
  if (!compare_outputs(r, &c, json_object_get(r->c, "outputs"))) return;
  const json_t *grads = json_object_get(r->c, "grad_inputs");
  if (!json_is_array(grads)) return;
  cn_tensor *total = weighted_outputs(r, &c), *dx[MOST];
  if (!cn_ok(r->g)) { library_failed(r, "total"); return; }
  if (!gradients(r, total, c.x, c.nx, grads, false, dx)) return;
  if (!compare_gradients(r, "gradient", dx, grads, fmax(largest_of(grads), largest_of(json_object_get(r->c, "hvp"))))) return;
  check_hvp(r, total, c.x, c.nx);
}

/* Whether one of the acceptable lists fits as a whole. */
static bool any_fits(run *r, const json_t *choices, bool (*fits)(run *r, const void *ctx, const json_t *choice), const void *ctx) {
  outcome first = { PASSED, "" }, *out = r->out;
  for (size_t i = 0; i < json_array_size(choices); i++) {
    outcome trial = { PASSED, "" };
    r->out = &trial;
    const bool ok = fits(r, ctx, json_array_get(choices, i));
    r->out = out;
    if (ok) return true;
    if (!i) first = trial;
  }
  return fail(r, "%.500s (nor another accepted value)", first.text);
}
static bool outputs_fit(run *r, const void *ctx, const json_t *choice) { return compare_outputs(r, ctx, choice); }
typedef struct found { cn_tensor **dx; } found;
static bool gradients_fit(run *r, const void *ctx, const json_t *choice) {
  return compare_gradients(r, "gradient", ((const found *)ctx)->dx, choice, largest_of(choice));
}

void run_op_edge(run *r) {
  call c = { .nx = 0 };
  r->scale = 0;
  if (!cn_op_find(text_of(r->c, "op"))) { unsupported(r, "op %s", text_of(r->c, "op")); return; }
  if (!read_inputs(r, &c) || !prepare(r, &c, r->c, text_of(r->c, "op"))) return;
  if (!apply(r, &c)) {
    if (!json_is_true(json_object_get(r->c, "may_raise"))) library_failed(r, "call");
    return;
  }
  const json_t *outputs = json_object_get(r->c, "accept_outputs"), *accept = json_object_get(r->c, "accept"), *grads = json_object_get(r->c, "grad_inputs");
  if (!(json_is_array(outputs) ? any_fits(r, outputs, outputs_fit, &c) : compare_outputs(r, &c, json_object_get(r->c, "outputs")))) return;
  if (json_is_true(json_object_get(r->c, "any_gradient")) || !json_is_array(grads)) return;
  cn_tensor *dx[MOST];
  if (!gradients(r, weighted_outputs(r, &c), c.x, c.nx, grads, false, dx)) return;
  const found f = { dx };
  if (json_is_array(accept)) any_fits(r, accept, gradients_fit, &f);
  else gradients_fit(r, &f, grads);
}

void run_op_error(run *r) {
  call c = { .nx = 0 };
  const char *name = text_of(r->c, "op");
  if (!cn_op_find(name)) { unsupported(r, "op %s", name); return; }
  if (!read_inputs(r, &c)) return;
  outcome quiet = { PASSED, "" }, *out = r->out;
  r->out = &quiet;
  const bool ran = prepare(r, &c, r->c, name) && apply(r, &c);
  r->out = out;
  if (ran && json_is_true(json_object_get(r->c, "must_fail"))) { fail(r, "%s was not refused (%s)", name, text_of(r->c, "error")); return; }
  if (ran) return;
  if (!strlen(cn_error(r->g))) { fail(r, "%s failed without a text", name); return; }
  cn_graph_clear(r->g);
  if (!cn_scalar(r->g, 1)) fail(r, "the graph does not work after %s was refused", name);
}

/* ---- graphs ---- */
typedef struct program { cn_tensor *value[256]; cn_tensor *x[MOST]; int64_t nx; } program;

static bool run_node(run *r, program *p, const json_t *node) {
  const int64_t id = json_integer_value(json_object_get(node, "id"));
  const char *name = text_of(node, "op");
  const json_t *inputs = json_object_get(node, "inputs"), *args = json_object_get(node, "args");
  if (!strcmp(name, "input")) return p->value[id] = p->x[json_integer_value(json_object_get(args, "index"))], true;
  call c = { .nx = (int64_t)json_array_size(inputs) };
  for (int64_t i = 0; i < c.nx; i++) c.x[i] = p->value[json_integer_value(json_array_get(inputs, (size_t)i))];
  if (!prepare(r, &c, node, name)) return false;
  if (!apply(r, &c)) return library_failed(r, name);
  p->value[id] = c.y[json_integer_value(json_object_get(node, "out"))];
  return true;
}

static bool check_nodes(run *r, const program *p) {
  const json_t *sums = json_object_get(r->c, "node_sums");
  for (size_t i = 0; i < json_array_size(sums); i++) {
    double sum = 0, most = 0;
    for (int64_t k = 0; k < cn_count(p->value[i]); k++) sum += cn_at(p->value[i], k), most = fmax(most, fabs(cn_at(p->value[i], k)));
    const double want = number_of(json_array_get(sums, i));
    if (fabs(sum - want) > fmax(1e-8, r->real == CN_F32 || r->rounded ? r->rtol : 0) * fmax(1, fmax(most, fabs(want))))
      return fail(r, "node %zu sums to %.9g, wanted %.9g", i, sum, want);
  }
  return true;
}

void run_graph(run *r) {
  static program empty;
  program p = empty;
  r->scale = 0;
  size_t i;
  const json_t *inputs = json_object_get(r->c, "inputs"), *nodes = json_object_get(r->c, "nodes"), *grads = json_object_get(r->c, "grad_inputs"), *node;
  json_array_foreach(nodes, i, node) if (strcmp(text_of(node, "op"), "input") && !cn_op_find(text_of(node, "op"))) {
    unsupported(r, "op %s", text_of(node, "op"));
    return;
  }
  p.nx = (int64_t)json_array_size(inputs);
  for (int64_t k = 0; k < p.nx; k++)
    if (!(p.x[k] = tensor_from(r, json_array_get(inputs, (size_t)k)))) { library_failed(r, "inputs"); return; }
  json_array_foreach(nodes, i, node) if (!run_node(r, &p, node)) return;
  if (!check_nodes(r, &p)) return;
  cn_tensor *y = p.value[json_integer_value(json_object_get(r->c, "output"))], *dx[MOST], *between[MOST], *di[MOST];
  if (!same(r, "value", y, json_object_get(r->c, "value"))) return;
  const json_t *ids = json_object_get(r->c, "intermediate_ids"), *want = json_object_get(r->c, "intermediate_grads");
  for (i = 0; i < json_array_size(ids); i++) between[i] = p.value[json_integer_value(json_array_get(ids, i))];
  const double all = fmax(fmax(largest_of(grads), largest_of(want)), largest_of(json_object_get(r->c, "hvp")));
  if (!gradients(r, y, p.x, p.nx, grads, false, dx) || !compare_gradients(r, "gradient", dx, grads, all)) return;
  if (!gradients(r, y, between, (int64_t)json_array_size(ids), want, false, di) || !compare_gradients(r, "intermediate gradient", di, want, all)) return;
  check_hvp(r, y, p.x, p.nx);
}
