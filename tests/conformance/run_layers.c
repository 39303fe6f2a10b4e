/* Kinds layer, layer_shape, layer_stat, layer_error. */
#include <math.h>
#include <stdio.h>
#include "runner.h"

#define MOST 32

typedef struct bench {
  cn_layer *l;
  cn_tensor *x[MOST];
  int64_t n;
  cn_tensor *y[CN_LAYER_OUTPUTS];
  int64_t ny;
  cn_tensor *w[64];
  int64_t nw;
  cn_tensor *state[MOST];
  int64_t states;
  cn_tensor *mask[MOST];
} bench;

/* The class, and the layers in its config. */
static bool known(run *r, const char *name) {
  const cn_class *const *c = cni_layer_classes;
  while (*c && strcmp((*c)->schema.name, name)) c++;
  if (!*c) return unsupported(r, "layer %s", name);
  const json_t *inner = json_object_get(json_object_get(r->c, "config"), "layer");
  return classes_known(r, json_object_get(r->c, "config")) &&
         (!*text_of(inner, "class_name") || json_object_get(inner, "module") || layer_known(r, text_of(inner, "class_name")));
}

static cn_layer *make(run *r) {
  const char *name = text_of(r->c, "class");
  json_t *config = json_pack("{s:s, s:O}", "class_name", name, "config", json_object_get(r->c, "config"));
  cn_layer *l = (cn_layer *)(void *)cni_models_factory.from_json(r->g, CN_KIND_LAYER, config);
  json_decref(config);
  return l;
}

static bool read_inputs(run *r, bench *b) {
  const json_t *inputs = json_object_get(r->c, "inputs"), *masks = json_object_get(r->c, "input_masks");
  b->n = (int64_t)json_array_size(inputs);
  for (int64_t i = 0; i < b->n; i++) {
    if (!(b->x[i] = tensor_from(r, json_array_get(inputs, (size_t)i)))) return library_failed(r, "inputs");
    cn_tensor *mask = tensor_from(r, json_array_get(masks, (size_t)i));
    if (mask) cn_set_mask(b->x[i], mask);
  }
  return true;
}

static bool build_and_set(run *r, bench *b) {
  cn_dims in[MOST];
  cn_tensor *values[64];
  const json_t *weights = json_object_get(r->c, "weights");
  for (int64_t i = 0; i < b->n; i++) in[i] = b->x[i]->dims;
  if (!cn_build(b->l, in, b->n)) return library_failed(r, "build");
  const int64_t n = (int64_t)json_array_size(weights);
  for (int64_t i = 0; i < n; i++) values[i] = tensor_from(r, json_array_get(weights, (size_t)i));
  b->nw = cn_weights(b->l, b->w, 64);
  return cn_set_weights(b->l, values, n) || library_failed(r, "set_weights");
}

static void read_flags(run *r, cn_call_args *a) {
  const char *key;
  json_t *v;
  json_object_foreach(json_object_get(r->c, "call"), key, v) {
    const int row = cni_option_find(&cni_call_schema, key);
    if (row >= 0 && cni_call_schema.rows[row].kind == CN_OPTION_INT) *(int64_t *)cni_option_at(&cni_call_schema, a, row) = json_is_true(v);
  }
}

/* Tensors among the call's arguments (zeros where an error's case gives the shape alone), and masks of a list of inputs. */
static bool read_extras(run *r, bench *b, cn_call_args *a) {
  const json_t *masks = json_object_get(r->c, "mask");
  const char *key;
  json_t *v;
  json_object_foreach(json_object_get(r->c, "call_tensors"), key, v) {
    const int row = cni_option_find(&cni_call_schema, key);
    if (row < 0 || cni_call_schema.rows[row].kind != CN_OPTION_TENSOR || !json_is_object(v)) continue;
    if (!(*(cn_tensor **)cni_option_at(&cni_call_schema, a, row) = tensor_from(r, v))) return library_failed(r, key);
  }
  for (size_t i = 0; i < json_array_size(masks); i++)
    if (!(b->mask[i] = json_is_object(json_array_get(masks, i)) ? tensor_from(r, json_array_get(masks, i)) : CN_NO_TENSOR)) return library_failed(r, "mask");
  a->masks = (cn_tensors){ b->mask, (int64_t)json_array_size(masks) };
  return true;
}

/* Inputs as the case's layer takes them: alone, or a list (also of one). */
static cn_call_args call_args(run *r, const bench *b) {
  const bool list = b->n != 1 || json_is_true(json_object_get(r->c, "takes_list"));
  cn_call_args a = *(const cn_call_args *)cni_call_schema.defaults;
  a.graph = r->g;
  a.layer = b->l;
  if (list) a.inputs = (cn_tensors){ b->x, b->n };
  else a.x = b->x[0];
  read_flags(r, &a);
  return a;
}

static bool read_states(run *r, bench *b) {
  const json_t *states = json_object_get(json_object_get(r->c, "call_tensors"), "initial_state");
  b->states = (int64_t)json_array_size(states);
  for (int64_t i = 0; i < b->states; i++)
    if (!(b->state[i] = tensor_from(r, json_array_get(states, (size_t)i)))) return library_failed(r, "initial states");
  return true;
}

static bool call(run *r, bench *b) {
  const json_t *mask = json_object_get(r->c, "mask");
  cn_tensor *given = json_is_object(mask) ? tensor_from(r, mask) : NULL;
  cn_call_args a = call_args(r, b);
  a.training = json_is_true(json_object_get(r->c, "training"));
  if (given) a.mask = given;
  if (!read_states(r, b) || !read_extras(r, b, &a)) return false;
  a.initial_state = (cn_tensors){ b->state, b->states };
  return cn_call_layer(&a, b->y, &b->ny) || library_failed(r, "call");
}

static bool check_outputs(run *r, const bench *b) {
  const json_t *outputs = json_object_get(r->c, "outputs"), *masks = json_object_get(r->c, "output_masks");
  char text[48];
  if (b->ny < (int64_t)json_array_size(outputs)) return fail(r, "%lld outputs, wanted %zu", (long long)b->ny, json_array_size(outputs));
  for (size_t i = 0; i < json_array_size(outputs); i++) {
    snprintf(text, sizeof text, "output %zu", i);
    if (!same(r, text, b->y[i], json_array_get(outputs, i))) return false;
    const json_t *mask = json_array_get(masks, i);
    snprintf(text, sizeof text, "mask of output %zu", i);
    if (json_is_array(masks) && !json_is_object(mask) && cn_mask_of(b->y[i])) return fail(r, "%s: there is one, wanted none", text);
    if (json_is_object(mask) && !cn_mask_of(b->y[i])) return fail(r, "%s is missing", text);
    if (json_is_object(mask) && !same(r, text, cn_mask_of(b->y[i]), mask)) return false;
  }
  return true;
}

static bool check_gradients(run *r, bench *b, cn_tensor *loss) {
  const json_t *gx = json_object_get(r->c, "grad_inputs"), *gw = json_object_get(r->c, "grad_weights"),
               *gs = json_object_get(json_object_get(r->c, "grad_call_tensors"), "initial_state");
  cn_tensor *total = total_of(r, b->y, b->ny, json_object_get(r->c, "cotangents"), loss), *targets[2 * MOST + 64], *d[2 * MOST + 64];
  int64_t n = 0, inputs = 0;
  char text[64];
  if (!total) return cn_ok(r->g) || library_failed(r, "total");
  for (int64_t i = 0; i < b->n; i++)
    if (json_is_object(json_array_get(gx, (size_t)i))) targets[n++] = b->x[i];
  const int64_t states = n;
  for (int64_t i = 0; i < b->states; i++)
    if (json_is_object(json_array_get(gs, (size_t)i))) targets[n++] = b->state[i];
  inputs = n;
  n += cn_trainable_weights(b->l, targets + n, 64);
  if (n && !cn_gradients(r->g, total, CN_NO_TENSOR, targets, n, false, d)) return library_failed(r, "gradients");
  for (int64_t i = 0, k = 0; i < b->n; i++) {
    snprintf(text, sizeof text, "gradient of input %lld", (long long)i);
    if (json_is_object(json_array_get(gx, (size_t)i)) && !same(r, text, d[k++], json_array_get(gx, (size_t)i))) return false;
  }
  for (int64_t i = 0, k = states; i < b->states; i++) {
    snprintf(text, sizeof text, "gradient of initial state %lld", (long long)i);
    if (json_is_object(json_array_get(gs, (size_t)i)) && !same(r, text, d[k++], json_array_get(gs, (size_t)i))) return false;
  }
  if (json_is_array(gw) && (int64_t)json_array_size(gw) != n - inputs)
    return fail(r, "%lld trainable weights, wanted %zu", (long long)(n - inputs), json_array_size(gw));
  for (int64_t i = inputs; i < n; i++) {
    snprintf(text, sizeof text, "gradient of weight %lld", (long long)(i - inputs));
    if (!same(r, text, d[i], json_array_get(gw, (size_t)(i - inputs)))) return false;
  }
  return true;
}

static bool check_weights(run *r, const bench *b) {
  const json_t *after = json_object_get(r->c, "weights_after"), *constrained = json_object_get(r->c, "constraints_after");
  for (size_t i = 0; i < json_array_size(after); i++)
    if (!same(r, "weight after", b->w[i],
              json_is_object(json_object_get(json_array_get(after, i), "value")) ? json_object_get(json_array_get(after, i), "value")
                                                                                 : json_array_get(after, i)))
      return false;
  for (size_t i = 0; i < json_array_size(constrained); i++) {
    const json_t *want = json_array_get(constrained, i);
    if (!json_is_object(want)) continue;
    const cn_projection p = cn_projection_of(b->w[i]);
    if (!p.apply) return fail(r, "weight %zu has no constraint", i);
    if (!p.apply(r->g, b->w[i], p.object)) return library_failed(r, "constraint");
    if (!same(r, "constrained weight", b->w[i], want)) return false;
  }
  return true;
}

/* Later calls of a stateful layer. */
static bool check_then(run *r, bench *b) {
  const json_t *then = json_object_get(r->c, "then"), *one, *want;
  size_t i, k;
  char text[64];
  json_array_foreach(then, i, one) {
    if (json_is_true(json_object_get(one, "reset_before"))) cn_reset_state(b->l);
    b->n = (int64_t)json_array_size(json_object_get(one, "inputs"));
    for (int64_t j = 0; j < b->n; j++)
      if (!(b->x[j] = tensor_from(r, json_array_get(json_object_get(one, "inputs"), (size_t)j)))) return library_failed(r, "later inputs");
    cn_call_args a = call_args(r, b);
    if (!cn_call_layer(&a, b->y, &b->ny)) return library_failed(r, "later call");
    json_array_foreach(json_object_get(one, "outputs"), k, want) {
      snprintf(text, sizeof text, "output %zu of later call %zu", k, i);
      if ((int64_t)k >= b->ny || !same(r, text, b->y[k], want)) return (int64_t)k < b->ny ? false : fail(r, "%s is missing", text);
    }
  }
  return true;
}

/* README-layers: in a float64 case every array is float64. Where a weight is float32 a sub-layer has a dtype of its own, in which it computes, whatever the
 * layer's: the recorded numbers are float32 ones. */
static bool all_double(const run *r) {
  size_t i;
  const json_t *w;
  json_array_foreach(json_object_get(r->c, "weights"), i, w)
    if (!strcmp(text_of(w, "dtype"), "float32")) return false;
  return true;
}

void run_layer(run *r) {
  bench b = { .n = 0 };
  if (!known(r, text_of(r->c, "class"))) return;
  if (!strcmp(text_of(json_object_get(json_object_get(r->c, "config"), "dtype"), "class_name"), "DTypePolicy") &&
      !strcmp(text_of(json_object_get(json_object_get(json_object_get(r->c, "config"), "dtype"), "config"), "name"), "float64") && r->rtol == 1e-5 &&
      all_double(r))
    r->rtol = 1e-9;
  if (!(b.l = make(r))) { library_failed(r, "construction"); return; }
  if (!read_inputs(r, &b) || !build_and_set(r, &b) || !call(r, &b) || !check_outputs(r, &b)) return;
  const int64_t n = cn_losses(b.l, NULL, 0);
  cn_tensor *loss = n ? cn_total_loss(b.l, cn_full(r->g, b.l->dtype, CN_SCALAR, 0)) : NULL;
  if (n && !loss) { library_failed(r, "losses"); return; }
  if (!same_number(r, "loss", loss ? cn_item(loss) : 0, json_object_get(r->c, "loss"))) return;
  if (check_gradients(r, &b, loss) && check_weights(r, &b)) check_then(r, &b);
}

/* A symbolic call may know a size that Keras leaves unknown (a None of EinsumDense's output_shape). */
static bool agree(const cn_dims *got, const cn_dims *want) {
  for (int i = 0; i < want->rank && got->rank == want->rank; i++)
    if (got->d[i] != want->d[i] && want->d[i] != CN_UNKNOWN) return false;
  return got->rank == want->rank;
}

void run_layer_shape(run *r) {
  if (!known(r, text_of(r->c, "class"))) return;
  cn_layer *l = make(r);
  if (!l) { library_failed(r, "construction"); return; }
  const json_t *checks = json_object_get(r->c, "checks"), *check;
  size_t i;
  json_array_foreach(checks, i, check) {
    const json_t *in = json_object_get(check, "input_shapes"), *out = json_object_get(check, "output_shapes");
    cn_dims dims[MOST], want, got;
    const size_t n = json_array_size(in);
    for (size_t k = 0; k < n; k++) dims_from(json_array_get(in, k), &dims[k]);
    dims_from(json_array_get(out, 0), &want);
    char a[160], b[160];
    if (!cn_compute_output_shape(l, dims, (int64_t)n, &got)) { library_failed(r, "output shape"); return; }
    if (!cn_dims_equal(&got, &want)) {
      fail(r, "output shape of check %zu is %s, wanted %s", i, cn_dims_text(&got, a, sizeof a), cn_dims_text(&want, b, sizeof b));
      return;
    }
    cn_layer *fresh = make(r); /* a symbolic call agrees */
    cn_tensor *x[MOST];
    const bool integers = !strcmp(text_of(r->c, "class"), "Embedding");
    for (size_t k = 0; k < n; k++) x[k] = cn_symbolic(r->g, integers ? CN_I32 : CN_F32, &dims[k]);
    const cn_tensors list = { x, (int64_t)n };
    cn_tensor *y = fresh ? cn_call(r->g, fresh, .inputs = list) : NULL;
    if (!y) { library_failed(r, "symbolic call"); return; }
    if (!agree(&y->dims, &want)) {
      fail(r, "symbolic output %zu is %s, wanted %s", i, cn_dims_text(&y->dims, a, sizeof a), cn_dims_text(&want, b, sizeof b));
      return;
    }
  }
}

/* ---- statistics ---- */
static bool check_stat(run *r, const json_t *c, const cn_tensor *y) {
  const char *kind = text_of(c, "stat");
  const int64_t n = y->count;
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) sum += cn_at(y, i);
  for (int64_t i = 0; i < n; i++) squares += pow(cn_at(y, i) - sum / (double)n, 2);
  const double want = number_of(json_object_get(c, "want")), tol = number_of(json_object_get(c, "tol"));
  if (!strcmp(kind, "mean")) return fabs(sum / (double)n - want) <= tol || fail(r, "mean is %g, wanted %g", sum / (double)n, want);
  if (!strcmp(kind, "std")) return fabs(sqrt(squares / (double)n) - want) <= tol || fail(r, "std is %g, wanted %g", sqrt(squares / (double)n), want);
  if (!strcmp(kind, "fraction_equal")) {
    const double v = number_of(json_object_get(c, "value"));
    int64_t equal = 0;
    for (int64_t i = 0; i < n; i++) equal += fabs(cn_at(y, i) - v) <= 1e-5 * fmax(1, fabs(v));
    return fabs((double)equal / (double)n - want) <= tol || fail(r, "share of %g is %g, wanted %g", v, (double)equal / (double)n, want);
  }
  if (!strcmp(kind, "values_in")) {
    const json_t *values = json_object_get(c, "values");
    for (int64_t i = 0; i < n; i++) {
      bool found = false;
      for (size_t k = 0; k < json_array_size(values); k++)
        found |= fabs(cn_at(y, i) - number_of(json_array_get(values, k))) <= 1e-5 * fmax(1, fabs(number_of(json_array_get(values, k))));
      if (!found) return fail(r, "value %g is not among those allowed", cn_at(y, i));
    }
    return true;
  }
  if (!strcmp(kind, "constant_along")) {
    const json_t *axes = json_object_get(c, "axes");
    cn_dims first = y->dims;
    for (size_t k = 0; k < json_array_size(axes); k++) first.d[json_integer_value(json_array_get(axes, k))] = 1;
    for (int64_t i = 0; i < n; i++) {
      int64_t at = 0, stride = 1, rest = i, place = 1; /* the element with 0 along the axes */
      for (int d = y->dims.rank - 1; d >= 0; d--) {
        const int64_t q = rest % y->dims.d[d];
        rest /= y->dims.d[d];
        if (first.d[d] != 1 || y->dims.d[d] == 1) at += q * place;
        place *= y->dims.d[d];
      }
      (void)stride;
      if (cn_at(y, i) != cn_at(y, at)) return fail(r, "element %lld differs along the axes", (long long)i);
    }
    return true;
  }
  return fail(r, "check %s", kind);
}

/* A layer with the case's weights, if it gives any. */
static cn_layer *make_stat(run *r, cn_tensor *x) {
  bench b = { .l = make(r), .x = { x }, .n = 1 };
  if (b.l && json_object_get(r->c, "weights") && !build_and_set(r, &b)) return NULL;
  return b.l;
}

static cn_tensor *stat_output(run *r, cn_layer *l, cn_tensor *x) { return cn_call(r->g, l, x, .training = 1); }

static bool equal_values(const cn_tensor *a, const cn_tensor *b) {
  for (int64_t i = 0; i < a->count; i++)
    if (cn_at(a, i) != cn_at(b, i)) return false;
  return a->count == b->count;
}

/* Another layer of the config gives y. A config without a seed has the graph's: then the other stands in another graph, which begins with the same. */
static bool same_again(run *r, cn_tensor *x, const cn_tensor *y) {
  const json_t *seed = json_object_get(json_object_get(r->c, "config"), "seed");
  run other = *r;
  const bool own = !seed || json_is_null(seed);
  if (own && !(other.g = cn_graph_new(.seed = 1))) return fail(r, "no second graph");
  cn_tensor *x2 = own ? tensor_from(&other, json_array_get(json_object_get(r->c, "inputs"), 0)) : x;
  cn_layer *l = x2 ? make_stat(&other, x2) : NULL;
  cn_tensor *z = l ? stat_output(&other, l, x2) : NULL;
  const bool same_values = z && equal_values(y, z);
  if (!same_values) fail(r, "two layers of one seed differ");
  if (own) cn_graph_free(other.g);
  return same_values;
}

void run_layer_stat(run *r) {
  if (!known(r, text_of(r->c, "class"))) return;
  cn_dims dims;
  const json_t *input = json_array_get(json_object_get(r->c, "inputs"), 0), *checks = json_object_get(r->c, "checks"), *c;
  if (!dims_from(json_object_get(input, "shape"), &dims)) { fail(r, "bad case"); return; }
  cn_tensor *x = tensor_from(r, input);
  cn_layer *l = make_stat(r, x);
  if (!l) { library_failed(r, "construction"); return; }
  cn_tensor *y = stat_output(r, l, x), *dx = NULL;
  if (!y) { library_failed(r, "call"); return; }
  size_t i;
  json_array_foreach(checks, i, c) {
    const char *kind = text_of(c, "stat");
    if (!strcmp(kind, "grad_equals_output")) {
      if (!cn_gradients(r->g, y, CN_NO_TENSOR, &x, 1, false, &dx)) { library_failed(r, "gradient"); return; }
      for (int64_t k = 0; k < y->count; k++)
        if (fabs(cn_at(dx, k) - cn_at(y, k)) > 1e-5) { fail(r, "gradient %lld is %g, the output %g", (long long)k, cn_at(dx, k), cn_at(y, k)); return; }
    } else if (!strcmp(kind, "same_seed_same_output")) {
      if (!same_again(r, x, y)) return;
    } else if (!strcmp(kind, "successive_calls_differ")) {
      cn_tensor *z = stat_output(r, l, x);
      if (!z || equal_values(y, z)) { fail(r, "two calls give the same"); return; }
    } else if (!check_stat(r, c, y)) {
      return;
    }
  }
}

/* ---- errors ---- */
static bool error_inputs(run *r, const json_t *inputs, bench *b) {
  size_t i;
  const json_t *in;
  b->n = 0;
  json_array_foreach(inputs, i, in) {
    cn_dims dims;
    cn_dtype dtype = CN_F32;
    const json_t *shape = json_is_object(in) ? json_object_get(in, "shape") : in;
    if (*text_of(in, "dtype") && !cn_dtype_from_name(text_of(in, "dtype"), &dtype)) return false;
    if (!dims_from(shape, &dims)) return false;
    b->x[b->n++] = dtype == CN_STRING ? NULL : cn_zeros(r->g, dtype, &dims);
  }
  return cn_ok(r->g);
}

static bool error_call(run *r, bench *b) {
  cn_call_args a = call_args(r, b);
  const json_t *states = json_object_get(json_object_get(r->c, "call_tensors"), "initial_state");
  cn_dims dims;
  for (b->states = 0; b->states < (int64_t)json_array_size(states); b->states++) {
    if (!dims_from(json_object_get(json_array_get(states, (size_t)b->states), "shape"), &dims)) return fail(r, "bad case");
    b->state[b->states] = cn_zeros(r->g, CN_F32, &dims);
  }
  a.initial_state = (cn_tensors){ b->state, b->states };
  if (!read_extras(r, b, &a)) return fail(r, "bad case");
  return cn_call_layer(&a, b->y, &b->ny) != NULL;
}

void run_layer_error(run *r) {
  if (!known(r, text_of(r->c, "class"))) return;
  bench b = { .l = make(r) };
  const char *stage = text_of(r->c, "stage");
  bool refused = !b.l;
  if (!refused && strcmp(stage, "construct")) {
    if (!error_inputs(r, json_object_get(r->c, "inputs"), &b)) { fail(r, "bad case"); return; }
    refused = !error_call(r, &b);
    if (!refused && !strcmp(stage, "second_call")) {
      if (!error_inputs(r, json_object_get(r->c, "then_inputs"), &b)) { fail(r, "bad case"); return; }
      refused = !error_call(r, &b);
    }
  }
  if (!refused) { fail(r, "not refused at %s: %s", stage, text_of(r->c, "message")); return; }
  if (!*cn_error(r->g)) { fail(r, "refused without a text"); return; }
  cn_graph_clear(r->g);
  if (!cn_scalar(r->g, 1)) fail(r, "the graph does not work afterwards");
}
