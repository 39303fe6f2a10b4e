#include "einsum_dense.h"
#include <ctype.h>
#include "activation.h"
#include "lora_private.h"

/* The letters of an equation's three parts, and on which side an ellipsis stands. */
typedef struct part { const char *v; int n; } part;
typedef struct equation { part in, kernel, out; bool left, right; } equation;
typedef struct einsum_dense { cn_layer base; equation e; cn_tensor *kernel, *bias; cni_lora lora; } einsum_dense;
typedef struct shapes { cn_dims kernel, bias, out; } shapes;

/* ---- the equation ---- */
static const char *letters(const char *p, part *out) {
  out->v = p;
  while (isalpha((unsigned char)*p)) p++;
  out->n = (int)(p - out->v);
  return p;
}
static const char *skip(const char *p, const char *what) {
  const size_t n = strlen(what);
  return p && !strncmp(p, what, n) ? p + n : NULL;
}
static const char *dots(const char *p, bool wanted) { return wanted ? skip(p, "...") : p; }

static bool parse(const char *text, equation *e) {
  const char *p = text;
  e->left = skip(p, "...") != NULL;
  p = letters(dots(p, e->left), &e->in);
  e->right = !e->left && skip(p, "...") != NULL;
  p = skip(dots(p, e->right), ",");
  p = p ? letters(p, &e->kernel) : NULL;
  p = dots(skip(p, "->"), e->left);
  p = p ? dots(letters(p, &e->out), e->right) : NULL;
  return p && !*p && e->in.n >= (e->right ? 2 : 1) && e->kernel.n && e->out.n;
}

static int place(part p, char c) {
  for (int i = 0; i < p.n; i++)
    if (p.v[i] == c) return i;
  return -1;
}

static bool einsum_dense_init(cn_object *self) {
  const cn_EinsumDenseOptions *o = self->options;
  if (!cn_layer_init(self)) return false;
  if (o->output_shape.n < 0 || o->output_shape.n >= CN_MAX_RANK)
    return cn_fail(self->graph, CN_SHAPE, "output_shape must have 0 to %d sizes", CN_MAX_RANK - 1), false;
  if (strlen(o->equation) > 64 || !parse(o->equation, &((einsum_dense *)(void *)self)->e))
    return cn_fail(self->graph, CN_VALUE, "the equation must be X,Y->Z, ...X,Y->...Z or X...,Y->Z..., got \"%s\"", o->equation), false;
  return true;
}

/* ---- shapes ---- */
/* The output: the batch, what a left ellipsis stands for, output_shape, what a right one stands for. */
static bool output_dims(cn_layer *l, const cn_dims *in, cn_dims *out) {
  const cn_EinsumDenseOptions *o = l->object.options;
  const equation *e = &((const einsum_dense *)l)->e;
  const int elided = in->rank - e->in.n;
  char text[160];
  if (elided < 0 || (elided && !e->left && !e->right) || o->output_shape.n + 1 + elided - (e->left && elided ? 1 : 0) > CN_MAX_RANK || in->rank < 1)
    return cn_fail(l->object.graph, CN_SHAPE, "EinsumDense: \"%s\" does not fit the input's shape %s", o->equation, cn_dims_text(in, text, sizeof text)), false;
  *out = (cn_dims){ 1, { in->d[0] } };
  for (int i = 1; e->left && i < elided; i++) out->d[out->rank++] = in->d[i];
  for (int64_t i = 0; i < o->output_shape.n; i++) out->d[out->rank++] = o->output_shape.v[i] == CN_NONE ? CN_UNKNOWN : o->output_shape.v[i];
  for (int i = in->rank - elided; e->right && i < in->rank; i++) out->d[out->rank++] = in->d[i];
  if (out->rank != e->out.n + elided)
    return cn_fail(l->object.graph, CN_SHAPE, "EinsumDense: output_shape has %lld sizes, which does not fit \"%s\"", (long long)o->output_shape.n, o->equation),
           false;
  return true;
}

static bool kernel_dims(cn_layer *l, const cn_dims *in, shapes *s) {
  const equation *e = &((const einsum_dense *)l)->e;
  cn_graph *g = l->object.graph;
  const int before = e->left ? in->rank - e->in.n : 0; /* axes in front of the lettered ones, in input and output */
  for (int i = 0; i < e->in.n; i++) {
    const int at = place(e->out, e->in.v[i]);
    const int64_t want = at < 0 ? CN_UNKNOWN : s->out.d[before + at], have = in->d[before + i];
    if (want != CN_UNKNOWN && want != have)
      return cn_fail(g, CN_SHAPE, "EinsumDense: axis %c has size %lld in output_shape, another in the input", e->in.v[i], (long long)want), false;
  }
  for (int i = 0; i < e->out.n; i++)
    if (place(e->in, e->out.v[i]) < 0 && place(e->kernel, e->out.v[i]) < 0)
      return cn_fail(g, CN_VALUE, "EinsumDense: axis %c of the output is in neither input nor kernel", e->out.v[i]), false;
  s->kernel = (cn_dims){ e->kernel.n, { 0 } };
  if (e->kernel.n > CN_MAX_RANK) return cn_fail(g, CN_SHAPE, "EinsumDense: the kernel has more than %d axes", CN_MAX_RANK), false;
  for (int i = 0; i < e->kernel.n; i++) {
    const int in_out = place(e->out, e->kernel.v[i]), in_in = place(e->in, e->kernel.v[i]);
    if (in_out < 0 && in_in < 0) return cn_fail(g, CN_VALUE, "EinsumDense: axis %c of the kernel is in neither input nor output", e->kernel.v[i]), false;
    s->kernel.d[i] = in_out >= 0 ? s->out.d[before + in_out] : in->d[before + in_in];
  }
  return true;
}

/* From the first letter of bias_axes on: the output's size, or 1 for a letter that is not among them. */
static bool bias_dims(cn_layer *l, const cn_dims *in, shapes *s) {
  const char *axes = ((const cn_EinsumDenseOptions *)l->object.options)->bias_axes;
  const equation *e = &((const einsum_dense *)l)->e;
  const int elided = in->rank - e->in.n, before = e->left ? elided : 0;
  int first = e->out.n;
  for (const char *p = axes; p && *p; p++) {
    const int at = place(e->out, *p);
    if (at < 0) return cn_fail(l->object.graph, CN_VALUE, "EinsumDense: axis %c of bias_axes is not in the output", *p), false;
    if (at < first) first = at;
  }
  s->bias = (cn_dims){ 0, { 0 } };
  for (int i = first; i < e->out.n; i++) s->bias.d[s->bias.rank++] = strchr(axes, e->out.v[i]) ? s->out.d[before + i] : 1;
  for (int i = 0; e->right && i < elided && axes; i++) s->bias.d[s->bias.rank++] = 1;
  return true;
}

/* ---- the layer ---- */
/* The initializer with its fans' axes, where it has such options and they are None: a copy that the layer owns. */
static bool with_fans(cn_layer *l, const equation *e, cn_ref *initializer) {
  const cn_object *o = initializer->object;
  const cn_schema *s = o ? &o->cls->schema : NULL;
  const int in = s ? cni_option_find(s, "input_axes") : -1, out = s ? cni_option_find(s, "output_axes") : -1;
  if (in < 0 || out < 0 || ((const cn_ints *)cni_option_at_const(s, o->options, in))->n >= 0 ||
      ((const cn_ints *)cni_option_at_const(s, o->options, out))->n >= 0)
    return true;
  int64_t axes[2][CN_MAX_RANK];
  cn_ints lists[2] = { { axes[0], 0 }, { axes[1], 0 } };
  for (int i = 0; i < e->kernel.n; i++) {
    const int to = place(e->out, e->kernel.v[i]) >= 0;
    axes[to][lists[to].n++] = i;
  }
  void *options = cni_alloc(l->object.graph, s->size);
  if (!options) return false;
  memcpy(options, o->options, s->size);
  *(cn_ints *)cni_option_at(s, options, in) = lists[0];
  *(cn_ints *)cni_option_at(s, options, out) = lists[1];
  cn_object *made = cn_object_new(o->cls, options);
  cni_free(l->object.graph, options);
  *initializer = (cn_ref){ .object = made };
  if (!made || cni_own(l, made)) return made != NULL;
  cn_object_free(made);
  return false;
}

static void build(cn_layer *l, const cn_dims *in, int64_t n) {
  einsum_dense *d = (einsum_dense *)l;
  const cn_EinsumDenseOptions *o = l->object.options;
  shapes s;
  cn_ref initializer = o->kernel_initializer;
  (void)n;
  d->bias = CN_NO_TENSOR;
  if (!output_dims(l, in, &s.out) || !kernel_dims(l, in, &s) || !bias_dims(l, in, &s) || !with_fans(l, &d->e, &initializer)) return;
  d->kernel = cn_add_weight(l, "kernel", &s.kernel, .initializer = initializer, .regularizer = o->kernel_regularizer, .constraint = o->kernel_constraint);
  if (o->bias_axes)
    d->bias = cn_add_weight(l, "bias", &s.bias, .initializer = o->bias_initializer, .regularizer = o->bias_regularizer, .constraint = o->bias_constraint);
  cni_lora_build(l, &d->lora, "lora_kernel", d->kernel, o->lora_rank, o->lora_alpha, &o->kernel_regularizer, &o->kernel_constraint);
}

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const einsum_dense *d = (const einsum_dense *)l;
  const cn_EinsumDenseOptions *o = l->object.options;
  cn_tensor *y = cn_einsum(g, CN_TENSORS(in->x[0], cni_lora_kernel(g, &d->lora, d->kernel)), .subscripts = o->equation);
  return cn_activate(g, &o->activation, cni_given(d->bias) ? cn_add(g, y, d->bias) : y);
}

static bool output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)n;
  return output_dims(l, in, out);
}
CN_LAYER_OF(EinsumDense, einsum_dense, CN_EINSUM_DENSE, (.init = einsum_dense_init), .build = build, .call = call, .output_shape = output_shape, .min_rank = 1)
