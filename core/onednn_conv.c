/* The seam to oneDNN 2.6: convolutions of floats, as primitives kept by shape in the graph. Inputs and outputs stand in oneDNN as they stand here (channels
 * last), which measured as fast as its own blocked forms; the kernel is reordered to the form that the primitive wants, and its gradient back. */
#include "conv_private.h"

#ifdef CN_HAVE_ONEDNN
#include <dnnl.h>
#include <string.h>

#define MOST 64 /* primitives; beyond them the one that rested longest goes */

/* What a primitive was made for. */
typedef struct key { cni_conv c; int64_t kind, bias; } key;

/* The primitive and the memory objects of its arguments, whose data is set at each call. `plain` is the kernel as it stands here, `kernel` as the primitive has
 * it; without `reorder` they are one. */
typedef struct prepared {
  key key;
  uint64_t used;                 /* counts calls */
  dnnl_primitive_t primitive;    /* NULL: oneDNN has no fast one */
  dnnl_primitive_t reorder;
  dnnl_memory_t x, y, bias, kernel, plain, scratch;
  size_t kernel_size, scratch_size;
} prepared;

typedef struct cache { dnnl_engine_t engine; dnnl_stream_t stream; uint64_t calls; int64_t count; prepared all[MOST]; } cache;

static void clear(prepared *p) {
  const dnnl_memory_t memories[] = { p->x, p->y, p->bias, p->kernel, p->plain, p->scratch };
  for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
    if (memories[i]) dnnl_memory_destroy(memories[i]);
  if (p->primitive) dnnl_primitive_destroy(p->primitive);
  if (p->reorder) dnnl_primitive_destroy(p->reorder);
  *p = (prepared){ .used = 0 };
}

static void cache_free(cn_graph *g, void *pointer) {
  cache *all = pointer;
  for (int64_t i = 0; i < all->count; i++) clear(&all->all[i]);
  if (all->stream) dnnl_stream_destroy(all->stream);
  if (all->engine) dnnl_engine_destroy(all->engine);
  cni_context_of(g)->primitives = NULL;
}

/* The graph's cache; NULL without memory. */
static cache *cache_of(cn_graph *g) {
  cni_context *context = cni_context_of(g);
  if (context->primitives) return context->primitives;
  cache *all = cni_alloc(g, sizeof *all);
  if (!all) return NULL;
  if (!cni_on_free(g, cache_free, all)) return cni_free(g, all), (cache *)NULL;
  context->primitives = all;
  if (dnnl_engine_create(&all->engine, dnnl_cpu, 0) != dnnl_success || dnnl_stream_create(&all->stream, all->engine, dnnl_stream_default_flags) != dnnl_success)
    all->stream = NULL;
  return all;
}

/* ---- descriptions ---- */
/* Sizes and steps in oneDNN's order: batch (or groups and channels), channels, axes. A first axis of size 1 everywhere is left out. */
typedef struct form { int n; dnnl_dims_t size, step; } form;

static int first_axis(const cni_conv *c) { return c->in[0] == 1 && c->out[0] == 1 && c->kernel[0] == 1 && !c->pad[0] ? 1 : 0; }

static form data_form(const cni_conv *c, const int64_t *axes, int64_t channels) {
  const int first = first_axis(c);
  form f = { .n = 5 - first };
  int64_t step = channels;
  f.size[1] = channels;
  f.step[1] = 1;
  for (int i = 2; i >= first; i--) {
    f.size[2 + i - first] = axes[i];
    f.step[2 + i - first] = step;
    step *= axes[i];
  }
  f.size[0] = c->batch;
  f.step[0] = step;
  return f;
}

/* [groups, output channels, input channels, axes], without groups where there is one. */
static form kernel_form(const cni_conv *c) {
  const int first = first_axis(c), grouped = c->groups > 1;
  const int64_t out = c->out_channels / c->groups, in = c->in_channels / c->groups;
  form f = { .n = 5 - first + grouped };
  int64_t step = in * c->out_channels;
  f.size[0] = c->groups;
  f.step[0] = out;
  f.size[grouped] = out;
  f.step[grouped] = 1;
  f.size[grouped + 1] = in;
  f.step[grouped + 1] = c->out_channels;
  for (int i = 2; i >= first; i--) {
    f.size[grouped + 2 + i - first] = c->kernel[i];
    f.step[grouped + 2 + i - first] = step;
    step *= c->kernel[i];
  }
  return f;
}

static bool described(dnnl_memory_desc_t *m, const form *f) { return dnnl_memory_desc_init_by_strides(m, f->n, f->size, dnnl_f32, f->step) == dnnl_success; }

typedef struct descriptions { dnnl_memory_desc_t x, y, bias, plain, kernel; } descriptions;

static bool describe(const cni_conv *c, descriptions *d) {
  const form x = data_form(c, c->in, c->in_channels), y = data_form(c, c->out, c->out_channels), plain = kernel_form(c);
  const form bias = { .n = 1, .size = { c->out_channels }, .step = { 1 } };
  return described(&d->x, &x) && described(&d->y, &y) && described(&d->bias, &bias) && described(&d->plain, &plain) &&
      dnnl_memory_desc_init_by_tag(&d->kernel, plain.n, plain.size, dnnl_f32, dnnl_format_tag_any) == dnnl_success;
}

/* ---- making ---- */
typedef struct window { dnnl_dims_t stride, dilation, before, after; } window;

/* False where oneDNN would compute another size of y. */
static bool window_of(const cni_conv *c, window *w) {
  const int first = first_axis(c);
  for (int i = first; i < 3; i++) {
    const int64_t reach = (c->kernel[i] - 1) * c->dilation[i] + 1, after = (c->out[i] - 1) * c->stride[i] + reach - c->in[i] - c->pad[i];
    w->stride[i - first] = c->stride[i];
    w->dilation[i - first] = c->dilation[i] - 1;
    w->before[i - first] = c->pad[i];
    w->after[i - first] = after < 0 ? 0 : after;
    if (after <= -c->stride[i] || c->pad[i] >= reach || after >= reach) return false;
  }
  return true;
}

static bool operation(const key *k, const descriptions *d, const window *w, int64_t kind, dnnl_convolution_desc_t *made) {
  const dnnl_alg_kind_t direct = dnnl_convolution_direct;
  if (kind == CNI_CONV_FORWARD)
    return dnnl_dilated_convolution_forward_desc_init(made, dnnl_forward_training, direct, &d->x, &d->kernel, k->bias ? &d->bias : NULL, &d->y, w->stride,
                                                      w->dilation, w->before, w->after) == dnnl_success;
  if (kind == CNI_CONV_INPUT)
    return dnnl_dilated_convolution_backward_data_desc_init(made, direct, &d->x, &d->kernel, &d->y, w->stride, w->dilation, w->before, w->after) ==
           dnnl_success;
  return dnnl_dilated_convolution_backward_weights_desc_init(made, direct, &d->x, &d->kernel, NULL, &d->y, w->stride, w->dilation, w->before, w->after) ==
         dnnl_success;
}

/* Written for the CPU, by the names that oneDNN gives: "jit:avx2", "brgconv_1x1:avx512_core"; not "gemm:jit" or "ref:any". */
static bool is_native(const char *name) { return !strncmp(name, "jit", 3) || !strncmp(name, "brg", 3); }

/* The primitive's description; NULL where oneDNN has none that is native. */
static dnnl_primitive_desc_t choose(const cache *all, const key *k, const descriptions *d, const window *w) {
  dnnl_convolution_desc_t forward, wanted;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t hint = NULL, chosen = NULL;
  const char *name = "ref";
  bool ok = dnnl_primitive_attr_create(&attributes) == dnnl_success &&
            dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) == dnnl_success && operation(k, d, w, k->kind, &wanted);
  if (ok && k->kind != CNI_CONV_FORWARD)
    ok = operation(k, d, w, CNI_CONV_FORWARD, &forward) && dnnl_primitive_desc_create(&hint, &forward, NULL, all->engine, NULL) == dnnl_success;
  if (ok && dnnl_primitive_desc_create(&chosen, &wanted, attributes, all->engine, hint) != dnnl_success) chosen = NULL;
  if (hint) dnnl_primitive_desc_destroy(hint);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  if (chosen && dnnl_primitive_desc_query(chosen, dnnl_query_impl_info_str, 0, &name) == dnnl_success && is_native(name)) return chosen;
  if (chosen) dnnl_primitive_desc_destroy(chosen);
  return NULL;
}

static bool memory_of(const cache *all, const dnnl_memory_desc_t *m, dnnl_memory_t *made) {
  return dnnl_memory_create(made, m, all->engine, DNNL_MEMORY_NONE) == dnnl_success;
}

static bool make_reorder(const cache *all, prepared *p, const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to) {
  dnnl_primitive_desc_t d = NULL;
  const bool ok =
      dnnl_reorder_primitive_desc_create(&d, from, all->engine, to, all->engine, NULL) == dnnl_success && dnnl_primitive_create(&p->reorder, d) == dnnl_success;
  if (d) dnnl_primitive_desc_destroy(d);
  return ok;
}

static bool make(const cache *all, prepared *p, const dnnl_primitive_desc_t chosen, const descriptions *d) {
  const bool back = p->key.kind == CNI_CONV_KERNEL;
  const dnnl_memory_desc_t *kernel = dnnl_primitive_desc_query_md(chosen, back ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
  const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(chosen, dnnl_query_scratchpad_md, 0);
  if (!kernel || !scratch || dnnl_primitive_create(&p->primitive, chosen) != dnnl_success) return false;
  p->kernel_size = dnnl_memory_desc_get_size(kernel);
  p->scratch_size = dnnl_memory_desc_get_size(scratch);
  if (!memory_of(all, &d->x, &p->x) || !memory_of(all, &d->y, &p->y) || !memory_of(all, &d->bias, &p->bias) || !memory_of(all, kernel, &p->kernel) ||
      !memory_of(all, scratch, &p->scratch))
    return false;
  if (dnnl_memory_desc_equal(kernel, &d->plain)) return true;
  return memory_of(all, &d->plain, &p->plain) && make_reorder(all, p, back ? kernel : &d->plain, back ? &d->plain : kernel);
}

/* Fills p for its key; p->primitive stays NULL where that cannot be. */
static void prepare(const cache *all, prepared *p) {
  const key k = p->key;
  descriptions d;
  window w = { .stride = { 0 } };
  dnnl_primitive_desc_t chosen = NULL;
  if (!all->stream || !window_of(&k.c, &w) || !describe(&k.c, &d) || !(chosen = choose(all, &k, &d, &w))) return;
  if (!make(all, p, chosen, &d)) {
    clear(p);
    p->key = k;
  }
  dnnl_primitive_desc_destroy(chosen);
}

static prepared *find(cache *all, const key *k) {
  prepared *oldest = all->all;
  for (int64_t i = 0; i < all->count; i++) {
    prepared *p = &all->all[i];
    if (!memcmp(&p->key, k, sizeof *k)) return p;
    if (p->used < oldest->used) oldest = p;
  }
  if (all->count < MOST) oldest = &all->all[all->count++];
  clear(oldest);
  oldest->key = *k;
  prepare(all, oldest);
  return oldest;
}

/* ---- running ---- */
static void *writable(const void *p) { return (void *)(uintptr_t)p; }

static bool reorder(const cache *all, const prepared *p, dnnl_memory_t from, dnnl_memory_t to) {
  const dnnl_exec_arg_t arguments[] = { { DNNL_ARG_FROM, from }, { DNNL_ARG_TO, to } };
  return dnnl_primitive_execute(p->reorder, all->stream, 2, arguments) == dnnl_success;
}

static bool execute(const cache *all, const prepared *p) {
  static const int names[][3] = { { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST },
                                  { DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST },
                                  { DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST } };
  const int *name = names[p->key.kind];
  const dnnl_exec_arg_t arguments[] = {
    { name[0], p->x }, { name[1], p->kernel }, { name[2], p->y }, { DNNL_ARG_SCRATCHPAD, p->scratch }, { DNNL_ARG_BIAS, p->bias }
  };
  return dnnl_primitive_execute(p->primitive, all->stream, p->key.bias ? 5 : 4, arguments) == dnnl_success && dnnl_stream_wait(all->stream) == dnnl_success;
}

/* `memory` has room for the kernel in oneDNN's form, if it has one of its own, and then for the scratchpad. */
static bool run(const cache *all, const prepared *p, const cni_conv_data *d, char *memory) {
  const bool back = p->key.kind == CNI_CONV_KERNEL;
  const size_t kernel_room = p->reorder ? (p->kernel_size + 63) & ~(size_t)63 : 0;
  void *const kernel = writable(back ? d->to : d->kernel);
  bool ok = dnnl_memory_set_data_handle(p->x, p->key.kind == CNI_CONV_INPUT ? d->to : writable(d->x)) == dnnl_success;
  ok = ok && dnnl_memory_set_data_handle(p->y, p->key.kind == CNI_CONV_FORWARD ? d->to : writable(d->gy)) == dnnl_success;
  ok = ok && dnnl_memory_set_data_handle(p->kernel, p->reorder ? memory : kernel) == dnnl_success;
  ok = ok && (!p->plain || dnnl_memory_set_data_handle(p->plain, kernel) == dnnl_success);
  ok = ok && dnnl_memory_set_data_handle(p->bias, writable(d->bias)) == dnnl_success;
  ok = ok && dnnl_memory_set_data_handle(p->scratch, p->scratch_size ? memory + kernel_room : NULL) == dnnl_success;
  if (ok && p->reorder && !back) ok = reorder(all, p, p->plain, p->kernel);
  ok = ok && execute(all, p);
  return ok && p->reorder && back ? reorder(all, p, p->kernel, p->plain) : ok;
}

cn_code cni_conv_onednn(cn_graph *g, const cni_conv *c, cni_conv_kind kind, const cni_conv_data *d) {
  key k;
  memset(&k, 0, sizeof k);
  k.c = *c;
  k.kind = kind;
  k.bias = d->bias != NULL;
  if (c->dtype != CN_F32) return CN_UNSUPPORTED;
  cache *all = cache_of(g);
  if (!all) return CN_NO_MEMORY;
  prepared *p = find(all, &k);
  p->used = ++all->calls;
  if (!p->primitive) return CN_UNSUPPORTED;
  const size_t size = (p->reorder ? (p->kernel_size + 63) & ~(size_t)63 : 0) + p->scratch_size;
  cni_buffer *buffer = size ? cni_buffer_take(g, size, false) : NULL;
  if (size && !buffer) return CN_NO_MEMORY;
  const bool ok = run(all, p, d, buffer ? buffer->data : NULL);
  if (buffer) cni_buffer_drop(g, buffer, false);
  return ok ? CN_OK : CN_UNSUPPORTED;
}

#else

cn_code cni_conv_onednn(cn_graph *g, const cni_conv *c, cni_conv_kind kind, const cni_conv_data *d) {
  (void)g, (void)c, (void)kind, (void)d;
  return CN_UNSUPPORTED;
}

#endif
