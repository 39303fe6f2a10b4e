/* Cutting and folding, declared in ops_blocks.h. */
#include "../core/options_private.h"
#include "ops_image_private.h"

/* ---- array_split ---- */
static int cut_axis(const cn_call *c) { return cni_wrap(((const cn_array_split_args *)c->args)->axis, c->x[0]->dims.rank); }
static int64_t array_split_count(const cn_call *c) {
  const cn_ints s = ((const cn_array_split_args *)c->args)->indices_or_sections;
  if (cn_axis(c->graph, ((const cn_array_split_args *)c->args)->axis, c->x[0]->dims.rank) < 0) return -1;
  if (s.n < 0 || (s.n == 1 && s.v[0] < 1))
    return cn_fail(c->graph, CN_VALUE, "indices_or_sections must be a positive number of parts, or where the parts end"), -1;
  return cni_cut_parts(s);
}
static cn_code array_split_infer(const cn_call *c) {
  if (cni_refuse_strings(c)) return CN_DTYPE;
  for (int64_t i = 0; i < c->ny; i++) {
    c->sig[i] = (cn_sig){ (cn_dtype)c->x[0]->dtype, c->x[0]->dims };
    int64_t *d = &c->sig[i].dims.d[cut_axis(c)];
    if (*d != CN_UNKNOWN) *d = cni_cut_size(((const cn_array_split_args *)c->args)->indices_or_sections, *d, i);
  }
  return CN_OK;
}
static void array_split_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const int at = cut_axis(c);
  const cn_ints s = ((const cn_array_split_args *)c->args)->indices_or_sections;
  for (int64_t i = 0; i < c->ny; i++) y[i] = cni_part(g, c->x[0], at, cni_cut_begin(s, c->x[0]->dims.d[at], i), c->sig[i].dims.d[at]);
}
static void array_split_reference(const cn_reference *r) {
  const cn_ints s = ((const cn_array_split_args *)r->call->args)->indices_or_sections;
  const int axis = cut_axis(r->call);
  for (int64_t k = 0; k < r->call->ny; k++) {
    const cn_dims *d = &r->call->y[k]->dims;
    int64_t at[CN_MAX_RANK] = { 0 };
    for (int64_t i = 0; i < r->call->y[k]->count; i++, cni_next(d, at)) {
      int64_t from[CN_MAX_RANK];
      for (int j = 0; j < d->rank; j++) from[j] = at[j] + (j == axis ? cni_cut_begin(s, r->call->x[0]->dims.d[axis], k) : 0);
      r->y[k][i] = r->x[0][cni_flat(&r->call->x[0]->dims, from)];
    }
  }
}
CN_OP(array_split, CN_LIST_SPLIT, .outputs = 0, .count = array_split_count, .infer = array_split_infer, .compose = array_split_compose,
      .reference = array_split_reference,
      .samples = CN_TEXTS("f[5,3], indices_or_sections=3", "f[4,3], indices_or_sections=[1,3], axis=1", "f[2], indices_or_sections=4",
                          "i[7]@0:9, indices_or_sections=2, axis=-1", "f[6], indices_or_sections=[-2,9]", "f[6], indices_or_sections=[2]",
                          "f[0,2], indices_or_sections=2"),
      .rejects = CN_TEXTS("f[4], indices_or_sections=0 => indices_or_sections must be a positive number of parts",
                          "f[4], indices_or_sections=2, axis=1 => axis 1 is out of range for rank 1",
                          "f[4], indices_or_sections=1152921504606846976 => 1152921504606846976 outputs are too many",
                          "s[4], indices_or_sections=2 => string"));

/* ---- depth_to_space, space_to_depth ---- */
static cn_code block_infer(const cn_call *c, bool to_space) {
  const cn_depth_to_space_args *o = c->args;
  const int64_t b = o->block_size;
  cni_image m;
  if (!cni_image_take(c, 0, o->data_format, false, &m)) return cn_error_code(c->graph);
  if (c->x[0]->dims.rank != 4) return cn_fail(c->graph, CN_SHAPE, "x must have rank 4, got rank %d", c->x[0]->dims.rank);
  if (b > 32768) return cn_fail(c->graph, CN_VALUE, "block_size %lld is too large", (long long)b);
  if (to_space ? m.c != CN_UNKNOWN && m.c % (b * b) : (m.h != CN_UNKNOWN && m.h % b) || (m.w != CN_UNKNOWN && m.w % b))
    return cn_fail(c->graph, CN_SHAPE, to_space ? "block_size^2 must divide the channels" : "block_size must divide height and width");
  cni_sig_like(c, &c->x[0]->dims);
  int64_t *d = c->sig[0].dims.d;
  const int axes[3] = { m.ah, m.aw, m.ac };
  for (int i = 0; i < 3; i++)
    if (d[axes[i]] != CN_UNKNOWN) d[axes[i]] = i < 2 ? (to_space ? d[axes[i]] * b : d[axes[i]] / b) : to_space ? d[axes[i]] / (b * b) : d[axes[i]] * b * b;
  return CN_OK;
}
static cn_code depth_to_space_infer(const cn_call *c) { return block_infer(c, true); }
static cn_code space_to_depth_infer(const cn_call *c) { return block_infer(c, false); }
/* By six axes: of the larger image's [n, h, b, w, b, c] and of the deeper one's [n, h, w, b, b, c], channels first [n, c, h, b, w, b] and [n, b, b, c, h, w].
 */
static void block_compose(cn_graph *g, const cn_call *c, cn_tensor **y, bool to_space) {
  const cn_depth_to_space_args *o = c->args;
  const int64_t b = o->block_size;
  const cni_image m = cni_image_of(to_space ? &c->sig[0].dims : &c->x[0]->dims, o->data_format); /* the larger */
  const bool first = m.ac == 1;
  const cn_dims wide = first ? (cn_dims){ 6, { m.n, m.c, m.h / b, b, m.w / b, b } } : (cn_dims){ 6, { m.n, m.h / b, b, m.w / b, b, m.c } };
  const cn_dims deep = first ? (cn_dims){ 6, { m.n, b, b, m.c, m.h / b, m.w / b } } : (cn_dims){ 6, { m.n, m.h / b, m.w / b, b, b, m.c } };
  const cn_ints last = CN_INTS(0, 1, 3, 2, 4, 5), spread = CN_INTS(0, 3, 4, 1, 5, 2), gather = CN_INTS(0, 3, 5, 1, 2, 4);
  cn_tensor *x = cn_transpose(g, cni_to_shape(g, c->x[0], to_space ? &deep : &wide), .axes = first ? (to_space ? spread : gather) : last);
  y[0] = x ? cni_to_shape(g, x, &c->sig[0].dims) : NULL;
}
static void depth_to_space_compose(cn_graph *g, const cn_call *c, cn_tensor **y) { block_compose(g, c, y, true); }
static void space_to_depth_compose(cn_graph *g, const cn_call *c, cn_tensor **y) { block_compose(g, c, y, false); }
static void block_reference(const cn_reference *r, bool to_space) {
  const cn_depth_to_space_args *o = r->call->args;
  const cni_image x = cni_image_of(&r->call->x[0]->dims, o->data_format), y = cni_image_of(&r->call->y[0]->dims, o->data_format), *wide = to_space ? &y : &x,
                  *deep = to_space ? &x : &y;
  const int64_t b = o->block_size;
  for (int64_t i = 0; i < wide->n * wide->h * wide->w * wide->c; i++) {
    const int64_t c = i % wide->c, w = i / wide->c % wide->w, h = i / wide->c / wide->w % wide->h, n = i / wide->c / wide->w / wide->h;
    const int64_t here = cni_pixel(wide, n, h, w, c), there = cni_pixel(deep, n, h / b, w / b, (h % b * b + w % b) * wide->c + c);
    r->y[0][to_space ? here : there] = r->x[0][to_space ? there : here];
  }
}
static void depth_to_space_reference(const cn_reference *r) { block_reference(r, true); }
static void space_to_depth_reference(const cn_reference *r) { block_reference(r, false); }
CN_OP(depth_to_space, CN_LIST_BLOCK, .outputs = 1, .infer = depth_to_space_infer, .compose = depth_to_space_compose, .reference = depth_to_space_reference,
      .samples = CN_TEXTS("f[2,2,3,8], block_size=2", "f[1,9,2,3], block_size=3, data_format='channels_first'", "i[1,1,2,4]@0:9, block_size=2",
                          "f[1,2,2,3], block_size=1", "f[0,2,2,4], block_size=2", "f[1,8,2,1], block_size=2, data_format='channels_first'"),
      .rejects = CN_TEXTS("f[1,2,2,6], block_size=2 => block_size^2 must divide the channels", "f[2,2,4], block_size=2 => x must have rank 4, got rank 3",
                          "f[1,2,2,4] => block_size is required", "s[1,2,2,4], block_size=2 => string"));
CN_OP(space_to_depth, CN_LIST_BLOCK, .outputs = 1, .infer = space_to_depth_infer, .compose = space_to_depth_compose, .reference = space_to_depth_reference,
      .samples = CN_TEXTS("f[2,4,6,2], block_size=2", "f[1,2,3,6], block_size=3, data_format='channels_first'", "i[1,2,4,1]@0:9, block_size=2",
                          "f[1,2,2,3], block_size=1", "f[0,2,2,4], block_size=2"),
      .rejects = CN_TEXTS("f[1,2,3,6], block_size=2 => block_size must divide height and width", "f[1,2,2,6,1], block_size=2 => must have rank 3 or 4",
                          "f[1,2,2,4], block_size=0 => block_size", "s[1,2,2,4], block_size=2 => string"));

/* ---- unfold, fold ---- */
/* Patches of an image with its padding: height and width of both, and how many places there are. */
typedef struct patches { int64_t kernel[2], dilation[2], stride[2], padding[2], size[2], places[2]; } patches;
static bool patches_of(const cn_call *c, cn_size kernel, cn_size dilation, cn_ints padding, cn_size stride, int64_t h, int64_t w, patches *p) {
  if (padding.n > 2) return cn_fail(c->graph, CN_VALUE, "padding must be one number or two"), false;
  if (!cni_size_covers(&kernel, 2) || !cni_size_covers(&dilation, 2) || !cni_size_covers(&stride, 2))
    return cn_fail(c->graph, CN_VALUE, "kernel_size, dilation and stride must be one number or two"), false;
  for (int i = 0; i < 2; i++) {
    p->kernel[i] = cni_size_at(&kernel, i), p->dilation[i] = cni_size_at(&dilation, i), p->stride[i] = cni_size_at(&stride, i);
    p->padding[i] = padding.n > 0 ? padding.v[padding.n == 2 ? i : 0] : 0;
    p->size[i] = i ? w : h;
    if (p->kernel[i] > INT32_MAX || p->dilation[i] > INT32_MAX || p->stride[i] > INT32_MAX || p->padding[i] > INT32_MAX || p->size[i] > INT32_MAX)
      return cn_fail(c->graph, CN_VALUE, "sizes, strides, dilations and paddings must be below 2^31"), false;
    if (p->padding[i] < 0) return cn_fail(c->graph, CN_VALUE, "padding must not be negative, got %lld", (long long)p->padding[i]), false;
    p->places[i] = CN_UNKNOWN;
    if (p->size[i] == CN_UNKNOWN) continue;
    const int64_t room = p->size[i] + 2 * p->padding[i] - (p->kernel[i] - 1) * p->dilation[i] - 1;
    if (room < 0) return cn_fail(c->graph, CN_SHAPE, "kernel_size does not fit axis %d of the image", i + 2), false;
    p->places[i] = room / p->stride[i] + 1;
  }
  return true;
}
static bool unfold_patches(const cn_call *c, patches *p) {
  const cn_unfold_args *o = c->args;
  return patches_of(c, o->kernel_size, o->dilation, o->padding, o->stride, c->x[0]->dims.d[2], c->x[0]->dims.d[3], p);
}
static bool fold_patches(const cn_call *c, patches *p) {
  const cn_fold_args *o = c->args;
  return patches_of(c, o->kernel_size, o->dilation, o->padding, o->stride, cni_size_at(&o->output_size, 0), cni_size_at(&o->output_size, 1), p);
}
static cn_code unfold_infer(const cn_call *c) {
  const cn_dims *d = &c->x[0]->dims;
  patches p;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (d->rank != 4) return cn_fail(c->graph, CN_SHAPE, "x must have rank 4, got rank %d", d->rank);
  if (!unfold_patches(c, &p)) return cn_error_code(c->graph);
  const bool known = p.places[0] != CN_UNKNOWN && p.places[1] != CN_UNKNOWN;
  const cn_dims y = { 3,
                      { d->d[0], d->d[1] == CN_UNKNOWN ? CN_UNKNOWN : d->d[1] * p.kernel[0] * p.kernel[1], known ? p.places[0] * p.places[1] : CN_UNKNOWN } };
  return cni_sig_like(c, &y), CN_OK;
}
static cn_tensor *padded(cn_graph *g, cn_tensor *x, const patches *p) {
  return cn_pad(g, x, .pad_width = CN_INTS(0, 0, 0, 0, p->padding[0], p->padding[0], p->padding[1], p->padding[1]));
}
static void unfold_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_dims *d = &c->x[0]->dims;
  const cn_ints order = CN_INTS(0, 2, 1, 3);
  patches p;
  if (!unfold_patches(c, &p)) return;
  cn_tensor *cut = cn_extract_patches(g, padded(g, c->x[0], &p), .size = CN_INTS(p.kernel[0], p.kernel[1]), .strides = CN_INTS(p.stride[0], p.stride[1]),
                                      .dilation_rate = CN_INTS(p.dilation[0], p.dilation[1]), .data_format = "channels_first");
  const cn_dims apart = { 4, { d->d[0], p.kernel[0] * p.kernel[1], d->d[1], p.places[0] * p.places[1] } };
  y[0] = cni_to_shape(g, cn_transpose(g, cni_to_shape(g, cut, &apart), .axes = order), &c->sig[0].dims);
}
static cn_code fold_infer(const cn_call *c) {
  const cn_dims *d = &c->x[0]->dims;
  patches p;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (d->rank != 3) return cn_fail(c->graph, CN_SHAPE, "x must have rank 3, got rank %d", d->rank);
  if (!fold_patches(c, &p)) return cn_error_code(c->graph);
  const int64_t kernel = p.kernel[0] * p.kernel[1], places = p.places[0] * p.places[1];
  if ((d->d[1] != CN_UNKNOWN && d->d[1] % kernel) || (d->d[2] != CN_UNKNOWN && d->d[2] != places))
    return cn_fail(c->graph, CN_SHAPE, "x must have columns of a multiple of %lld numbers for %lld places", (long long)kernel, (long long)places);
  const cn_dims y = { 4, { d->d[0], d->d[1] == CN_UNKNOWN ? CN_UNKNOWN : d->d[1] / kernel, p.size[0], p.size[1] } };
  return cni_sig_like(c, &y), CN_OK;
}
/* Row i of every patch lies on rows i dilation + place stride: zeros between them, then what was padded goes. One sum of padded pieces a tap. */
static void fold_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  patches p;
  if (!fold_patches(c, &p)) return;
  const cn_dims *d = &c->sig[0].dims;
  const cn_dims apart = { 6, { d->d[0], d->d[1], p.kernel[0], p.kernel[1], p.places[0], p.places[1] } };
  cn_tensor *x = cni_to_shape(g, c->x[0], &apart);
  const int64_t high = p.size[0] + 2 * p.padding[0], wide = p.size[1] + 2 * p.padding[1];
  const cn_dims flat = { 3, { d->d[0], d->d[1], p.kernel[0] * p.kernel[1] * p.places[0] * p.places[1] } }, back = { 4, { d->d[0], d->d[1], high, wide } };
  cn_tensor *row[2], *place = NULL;
  for (int i = 0; i < 2; i++) { /* [kernel, 1, places, 1] and [1, kernel, 1, places] */
    const cn_dims k = { 4, { i ? 1 : p.kernel[0], i ? p.kernel[1] : 1, 1, 1 } }, s = { 4, { 1, 1, i ? 1 : p.places[0], i ? p.places[1] : 1 } };
    row[i] = cn_add(g, cni_to_shape(g, cn_arange(g, CN_I64, 0, (double)(p.kernel[i] * p.dilation[i]), (double)p.dilation[i]), &k),
                    cni_to_shape(g, cn_arange(g, CN_I64, 0, (double)(p.places[i] * p.stride[i]), (double)p.stride[i]), &s));
  }
  if (row[0]) place = cn_reshape(g, cn_add(g, cn_multiply(g, row[0], NUMBER(row[0], (double)wide)), row[1]), CN_INTS(-1));
  const cn_dims all = { 3, { d->d[0], d->d[1], high * wide } };
  cn_tensor *sum = cni_to_shape(g, cn_scatter_rows(g, cni_to_shape(g, x, &flat), place, .shape = cni_sizes(&all), .axis = 2), &back);
  const cn_ints begin = CN_INTS(0, 0, p.padding[0], p.padding[1]);
  y[0] = cn_slice(g, sum, .start_indices = begin, .shape = cni_sizes(d));
}
/* Calls visit for every element of an image [n, c, h, w] that stands in a column. */
static void each_tap(const patches *p, int64_t images, int64_t channels, const cn_reference *r, bool fold) {
  const int64_t kernel = p->kernel[0] * p->kernel[1], places = p->places[0] * p->places[1];
  for (int64_t i = 0; i < images * channels * kernel * places; i++) {
    const int64_t s = i % places, k = i / places % kernel, plane = i / places / kernel;
    const int64_t h = s / p->places[1] * p->stride[0] + k / p->kernel[1] * p->dilation[0] - p->padding[0],
                  w = s % p->places[1] * p->stride[1] + k % p->kernel[1] * p->dilation[1] - p->padding[1];
    const bool inside = h >= 0 && w >= 0 && h < p->size[0] && w < p->size[1];
    const int64_t at = (plane * p->size[0] + h) * p->size[1] + w;
    if (!fold) r->y[0][i] = inside ? r->x[0][at] : 0;
    else if (inside) r->y[0][at] += r->x[0][i];
  }
}
static void unfold_reference(const cn_reference *r) {
  patches p;
  if (unfold_patches(r->call, &p)) each_tap(&p, r->call->x[0]->dims.d[0], r->call->x[0]->dims.d[1], r, false);
}
static void fold_reference(const cn_reference *r) {
  patches p;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = 0;
  if (fold_patches(r->call, &p)) each_tap(&p, r->call->y[0]->dims.d[0], r->call->y[0]->dims.d[1], r, true);
}
CN_OP(unfold, CN_LIST_UNFOLD, .outputs = 1, .infer = unfold_infer, .compose = unfold_compose, .reference = unfold_reference,
      .samples = CN_TEXTS("f[1,2,4,5], kernel_size=2", "f[2,1,5,4], kernel_size=[3,2], padding=1, stride=2",
                          "f[1,2,5,5], kernel_size=2, dilation=2, padding=[0,1]", "f[1,1,3,3], kernel_size=3, stride=[1,2]", "f[0,1,3,3], kernel_size=2"),
      .rejects = CN_TEXTS("f[2,4,5], kernel_size=2 => x must have rank 4, got rank 3",
                          "f[1,1,2,2], kernel_size=3 => kernel_size does not fit axis 2 of the image", "f[1,1,3,3] => kernel_size",
                          "i[1,1,3,3]@0:9, kernel_size=2 => float32 and float64", "f[1,1,3,3], kernel_size=2, padding=-1 => padding must not be negative",
                          "f[1,1,3,3], kernel_size=[2] => kernel_size, dilation and stride must be one number or two"));
CN_OP(fold, CN_LIST_FOLD, .outputs = 1, .infer = fold_infer, .compose = fold_compose, .reference = fold_reference,
      .samples = CN_TEXTS("f[1,8,12], output_size=[4,5], kernel_size=2", "f[2,6,9], output_size=[5,4], kernel_size=[3,2], padding=1, stride=2",
                          "f[1,8,15], output_size=5, kernel_size=2, dilation=2, padding=[0,1]", "f[0,4,4], output_size=3, kernel_size=2"),
      .rejects = CN_TEXTS("f[1,4,1], output_size=4294967296, kernel_size=4294967296 => must be below 2^31",
                          "f[1,8], output_size=4, kernel_size=2 => x must have rank 3, got rank 2", "f[1,8,12], output_size=4, kernel_size=2 => for 9 places",
                          "f[1,7,9], output_size=4, kernel_size=2 => a multiple of 4 numbers", "f[1,8,9], kernel_size=2 => output_size",
                          "i[1,4,4]@0:9, output_size=3, kernel_size=2 => float32 and float64"));

/* ---- diagflat ---- */
static cn_code diagflat_infer(const cn_call *c) {
  const int64_t n = c->x[0]->count, k = ((const cn_diagflat_args *)c->args)->k, size = n < 0 ? CN_UNKNOWN : n + (k < 0 ? -k : k);
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (k < -(INT64_C(1) << 40) || k > INT64_C(1) << 40) return cn_fail(c->graph, CN_VALUE, "k %lld is too large", (long long)k);
  const cn_dims y = { 2, { size, size } };
  return cni_sig_like(c, &y), CN_OK;
}
static void diagflat_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  y[0] = cn_diag(g, cn_ravel(g, c->x[0]), .k = ((const cn_diagflat_args *)c->args)->k);
}
static void diagflat_reference(const cn_reference *r) {
  const int64_t k = ((const cn_diagflat_args *)r->call->args)->k, n = r->call->y[0]->dims.d[0];
  for (int64_t i = 0; i < n * n; i++) r->y[0][i] = i % n - i / n == k ? r->x[0][k < 0 ? i % n : i / n] : 0;
}
CN_OP(diagflat, CN_LIST_DIAGFLAT, .outputs = 1, .infer = diagflat_infer, .compose = diagflat_compose, .reference = diagflat_reference,
      .samples = CN_TEXTS("f[2,3]", "f[3], k=1", "f[2], k=-2", "f[]", "i[2,2]@0:9, k=1"),
      .rejects = CN_TEXTS("s[3] => string", "f[2], k=9999999999999 => k 9999999999999 is too large"));

/* ---- unravel_index ---- */
static int64_t unravel_count(const cn_call *c) {
  const cn_ints s = ((const cn_unravel_index_args *)c->args)->shape;
  return s.n > 0 ? s.n : (cn_fail(c->graph, CN_VALUE, "shape must have an axis"), -1);
}
static cn_code unravel_index_infer(const cn_call *c) {
  cn_dims d;
  if (cni_need_indices(c, 0)) return CN_DTYPE;
  if (!cni_dims_from(c->graph, ((const cn_unravel_index_args *)c->args)->shape, &d)) return CN_VALUE;
  for (int64_t i = 0; i < c->ny; i++) c->sig[i] = (cn_sig){ (cn_dtype)c->x[0]->dtype, c->x[0]->dims };
  return CN_OK;
}
static cn_code unravel_index_check(const cn_call *c) {
  cn_dims d;
  if (!cni_dims_from(c->graph, ((const cn_unravel_index_args *)c->args)->shape, &d)) return CN_VALUE;
  return cni_check_indices(c->graph, c->x[0], 0, cn_dims_count(&d));
}
static cn_code unravel_index_forward(const cn_call *c) {
  const cn_ints s = ((const cn_unravel_index_args *)c->args)->shape;
  int64_t all = 1;
  for (int64_t k = 0; k < s.n; k++) all *= s.v[k];
  for (int64_t i = 0; i < c->x[0]->count; i++) {
    int64_t at = cni_index_at(c->x[0], i);
    at += at < 0 ? all : 0;
    for (int64_t k = s.n - 1; k >= 0; at /= s.v[k], k--) cni_integer_set(c->y[k], i, at % s.v[k]);
  }
  return CN_OK;
}
static void unravel_index_reference(const cn_reference *r) {
  const cn_ints s = ((const cn_unravel_index_args *)r->call->args)->shape;
  for (int64_t k = 0; k < s.n; k++) {
    double step = 1, all = 1;
    for (int64_t j = 0; j < s.n; j++) step *= j > k ? (double)s.v[j] : 1, all *= (double)s.v[j];
    for (int64_t i = 0; i < r->call->x[0]->count; i++) r->y[k][i] = fmod(floor((r->x[0][i] < 0 ? r->x[0][i] + all : r->x[0][i]) / step), (double)s.v[k]);
  }
}
CN_OP(unravel_index, CN_LIST_UNRAVEL, .outputs = 0, .count = unravel_count, .flags = CN_OP_NO_GRADIENT, .infer = unravel_index_infer,
      .check = unravel_index_check, .forward = unravel_index_forward, .reference = unravel_index_reference,
      .samples = CN_TEXTS("i[5]@0:23, shape=[2,3,4]", "l[2,3]@-12:12, shape=[3,4]", "i[]@0:5, shape=[5]", "i[0]@0:5, shape=[2,2]"),
      .rejects = CN_TEXTS("f[3], shape=[2,2] => int32", "i[3]@5:9, shape=[2,2] => out of range", "i[3]@0:2 => shape must have an axis",
                          "i[3]@0:2, shape=[2,-2] => shape is not a list of up to 8 sizes"));

const cn_op *const cni_ops_blocks[] = { &cn_op_array_split, &cn_op_depth_to_space, &cn_op_space_to_depth, &cn_op_unfold,
                                        &cn_op_fold,        &cn_op_diagflat,       &cn_op_unravel_index,  NULL };
