/* Resizing, declared in ops_image.h: each axis times a matrix of weights. */
#include "ops_image_private.h"

#define PI 3.14159265358979323846

/* ---- kernels: of the distance, inside their half width ---- */
static double triangle(double d) { return 1 - d; }
static double cubic(double d, double b, double c) {
  if (d < 1) return ((12 - 9 * b - 6 * c) * d * d * d + (-18 + 12 * b + 6 * c) * d * d + 6 - 2 * b) / 6;
  return ((-b - 6 * c) * d * d * d + (6 * b + 30 * c) * d * d + (-12 * b - 48 * c) * d + 8 * b + 24 * c) / 6;
}
static double keys(double d) { return cubic(d, 0, 0.5); }
static double mitchell(double d) { return cubic(d, 1.0 / 3, 1.0 / 3); }
static double lanczos(double d, double radius) { return d < 1e-3 ? 1 : radius * sin(PI * d) * sin(PI * d / radius) / (PI * PI * d * d); }
static double lanczos3(double d) { return lanczos(d, 3); }
static double lanczos5(double d) { return lanczos(d, 5); }
static double bell(double d) { return exp(-2 * d * d); }

typedef struct kernel { const char *name; double radius; double (*of)(double d); bool keras; } kernel;
static const kernel kernels[] = { { "bilinear", 1, triangle, true }, { "linear", 1, triangle, false },       { "bicubic", 2, keys, true },
                                  { "cubic", 2, keys, false },       { "lanczos3", 3, lanczos3, true },      { "lanczos5", 5, lanczos5, true },
                                  { "gaussian", 1.5, bell, true },   { "mitchellcubic", 2, mitchell, true }, { "area", 0, NULL, true },
                                  { "nearest", 0, NULL, true } };
static const kernel *kernel_of(const char *name) {
  for (size_t i = 0; name && i < sizeof kernels / sizeof *kernels; i++)
    if (!strcmp(kernels[i].name, name)) return &kernels[i];
  return NULL;
}
static cn_code unknown_kernel(cn_graph *g, const char *option, const char *name) {
  return cn_fail(g, CN_VALUE, "%s \"%s\" is unknown", option, name ? name : "None");
}

/* One axis: element i of the result looks at the place `middle` of the axis. */
typedef struct axis { const kernel *k; int64_t in, out; double scale, translation; bool antialias; } axis;
static double middle(const axis *a, int64_t i) { return ((double)i + 0.5 - a->translation) / a->scale; }
/* What element j of the axis weighs, before the sum of element i's weights is made 1. */
static double raw_weight(const axis *a, int64_t i, int64_t j) {
  const double at = middle(a, i), wide = a->antialias && a->scale < 1 ? 1 / a->scale : 1, d = fabs((double)j + 0.5 - at) / wide;
  if (!strcmp(a->k->name, "nearest")) return fmin(floor(at), (double)a->in - 1) == (double)j;
  if (!strcmp(a->k->name, "area")) return fmax(0, fmin((double)j + 1, at + 0.5 / a->scale) - fmax((double)j, at - 0.5 / a->scale));
  return d < a->k->radius ? a->k->of(d) : 0;
}

/* ---- resize_weights ---- */
static axis axis_of(const cn_call *c) {
  const cn_resize_weights_args *o = c->args;
  return (axis){ kernel_of(o->method), o->input_size, o->output_size, isnan(o->scale) ? (double)o->output_size / (double)o->input_size : o->scale,
                 o->translation,       o->antialias };
}
static cn_code resize_weights_infer(const cn_call *c) {
  const cn_resize_weights_args *o = c->args;
  cn_dtype dtype;
  if (!kernel_of(o->method)) return unknown_kernel(c->graph, "method", o->method);
  if (!o->dtype || !cn_dtype_from_name(o->dtype, &dtype) || !cni_is_float(dtype))
    return cn_fail(c->graph, CN_DTYPE, "dtype must be float32 or float64, got %s", o->dtype ? o->dtype : "None");
  c->sig[0] = (cn_sig){ dtype, { 2, { o->input_size, o->output_size } } };
  return CN_OK;
}
static cn_code resize_weights_forward(const cn_call *c) {
  const axis a = axis_of(c);
  for (int64_t i = 0; i < a.out; i++) {
    const double at = middle(&a, i);
    double sum = 0;
    for (int64_t j = 0; j < a.in; j++) sum += raw_weight(&a, i, j);
    const bool inside = at >= 0 && at <= (double)a.in && fabs(sum) > 1e-12;
    for (int64_t j = 0; j < a.in; j++) cni_value_set(c->y[0], j * a.out + i, inside ? raw_weight(&a, i, j) / sum : 0);
  }
  return CN_OK;
}
/* Weight of element j in element i, all from the definitions. */
static double naive_weight(const axis *a, int64_t i, int64_t j) {
  double sum = 0;
  for (int64_t k = 0; k < a->in; k++) sum += raw_weight(a, i, k);
  return middle(a, i) < 0 || middle(a, i) > (double)a->in || fabs(sum) <= 1e-12 ? 0 : raw_weight(a, i, j) / sum;
}
static void resize_weights_reference(const cn_reference *r) {
  const axis a = axis_of(r->call);
  for (int64_t i = 0; i < a.in * a.out; i++) r->y[0][i] = naive_weight(&a, i % a.out, i / a.out);
}
CN_OP(resize_weights, CN_LIST_RESIZE_WEIGHTS, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = resize_weights_infer, .forward = resize_weights_forward,
      .reference = resize_weights_reference,
      .samples = CN_TEXTS("input_size=5, output_size=3", "input_size=3, output_size=7, method='bicubic'",
                          "input_size=9, output_size=4, method='lanczos3', antialias=true, dtype='float64'", "input_size=4, output_size=5, method='lanczos5'",
                          "input_size=6, output_size=4, method='area'", "input_size=5, output_size=8, method='nearest'",
                          "input_size=5, output_size=4, method='gaussian'", "input_size=4, output_size=9, method='mitchellcubic'",
                          "input_size=4, output_size=6, scale=0.5, translation=1.25, method='linear', antialias=true", "input_size=3, output_size=0",
                          "input_size=1, output_size=2, method='cubic'"),
      .rejects = CN_TEXTS("input_size=3, output_size=2, method='quadratic' => method \"quadratic\" is unknown",
                          "input_size=0, output_size=2 => input_size must be positive, got 0", "output_size=2 => input_size is required",
                          "input_size=3, output_size=2, scale=0 => scale must be positive, got 0",
                          "input_size=3, output_size=2, dtype='int32' => dtype must be float32 or float64, got int32"));

/* ---- resize_axis ---- */
static int resized_axis(const cn_call *c) { return cni_wrap(((const cn_resize_axis_args *)c->args)->axis, c->x[0]->dims.rank); }
static cn_code resize_axis_infer(const cn_call *c) {
  const cn_resize_axis_args *o = c->args;
  cn_dims y = c->x[0]->dims;
  const cn_dims *w = &c->x[1]->dims;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (c->x[1]->dtype != c->x[0]->dtype) return cn_fail(c->graph, CN_DTYPE, "x and weights must have one dtype");
  const int at = cn_axis(c->graph, o->axis, y.rank);
  if (at < 0) return CN_INDEX;
  if (w->rank != 2) return cn_fail(c->graph, CN_SHAPE, "weights must have rank 2, got rank %d", w->rank);
  const int64_t from = w->d[o->transpose], n = y.d[at];
  if (from != n && from != CN_UNKNOWN && n != CN_UNKNOWN)
    return cn_fail(c->graph, CN_SHAPE, "weights are for %lld elements, axis %d has %lld", (long long)from, at, (long long)n);
  y.d[at] = w->d[!o->transpose];
  return cni_sig_like(c, &y), CN_OK;
}
typedef struct { const cni_kernels *k; cni_band band; void *y; const void *x; } banding;
static void band_rows(void *context, int64_t begin, int64_t end) {
  const banding *j = context;
  j->k->band_rows(j->y, j->x, &j->band, begin, end);
}
static cn_code resize_axis_forward(const cn_call *c) {
  const bool transpose = ((const cn_resize_axis_args *)c->args)->transpose;
  const cni_runs x = cni_axis_runs(&c->x[0]->dims, resized_axis(c));
  const int64_t m = c->y[0]->dims.d[resized_axis(c)], rows = x.outer * m, *const w = c->x[1]->dims.d;
  const cni_band band = { c->x[1]->data, NULL, x.n, m, x.inner, transpose ? w[1] : 1, transpose ? 1 : w[1] };
  banding j = { cni_kernels_for(c->graph, (cn_dtype)c->x[0]->dtype), band, c->y[0]->data, c->x[0]->data };
  cni_buffer *buffer;
  int64_t *between = cni_borrow(c->graph, (size_t)(2 * m) * sizeof *between, &buffer);
  if (!between) return CN_NO_MEMORY;
  for (int64_t i = 0; i < m; i++) {
    int64_t *b = between + 2 * i;
    for (b[0] = 0; b[0] < x.n && cni_value_at(c->x[1], i * band.wi + b[0] * band.wj) == 0;) b[0]++;
    for (b[1] = x.n; b[1] > b[0] && cni_value_at(c->x[1], i * band.wi + (b[1] - 1) * band.wj) == 0;) b[1]--;
  }
  j.band.between = between;
  if (c->y[0]->count) cni_parallel(c->graph, rows, CNI_GRAIN / (2 * x.inner) + 1, band_rows, &j);
  cni_buffer_drop(c->graph, buffer, false);
  return CN_OK;
}
CNI_VJP(resize_axis) {
  const cn_resize_axis_args *o = n->args;
  if (want[0]) gx[0] = cn_resize_axis(g, gy[0], n->x[1], .axis = o->axis, .transpose = !o->transpose);
  if (!want[1]) return;
  const int rank = n->x[0]->dims.rank, at = cni_wrap(o->axis, rank);
  int64_t axes[2 * CN_MAX_RANK]; /* all but that one, of both */
  for (int i = 0, k = 0; i < rank; i++)
    if (i != at) axes[k] = axes[k + rank - 1] = i, k++;
  const cn_ints others = { axes, 2 * (rank - 1) }, none = CN_INTS(0);
  gx[1] = cn_tensordot(g, o->transpose ? gy[0] : n->x[0], o->transpose ? n->x[0] : gy[0], .axes = rank > 1 ? others : none);
}
static void resize_axis_reference(const cn_reference *r) {
  const bool transpose = ((const cn_resize_axis_args *)r->call->args)->transpose;
  const cni_runs x = cni_axis_runs(&r->call->x[0]->dims, resized_axis(r->call));
  const int64_t m = r->call->y[0]->dims.d[resized_axis(r->call)];
  for (int64_t e = 0; e < r->call->y[0]->count; e++) {
    const int64_t k = e % x.inner, i = e / x.inner % m, o = e / x.inner / m;
    r->y[0][e] = 0;
    for (int64_t j = 0; j < x.n; j++) r->y[0][e] += r->x[1][transpose ? i * x.n + j : j * m + i] * r->x[0][(o * x.n + j) * x.inner + k];
  }
}
CN_OP(resize_axis, CN_LIST_RESIZE_AXIS, .outputs = 1, .infer = resize_axis_infer, .forward = resize_axis_forward, .vjp = resize_axis_vjp,
      .reads = CN_READS_X(0) | CN_READS_X(1), .reference = resize_axis_reference,
      .samples = CN_TEXTS("f[2,5,3], f[5,4], axis=1", "f[4,3], f[3,5], axis=-1", "f[3,2], f[4,3], axis=0, transpose=true", "f[3], f[3,2], axis=0",
                          "f[2,1,4], f[1,3], axis=1", "f[0,2], f[0,3], axis=0", "f[2,3,5,2], f[1,5], axis=2, transpose=true"),
      .rejects = CN_TEXTS("f[3,4], f[3,2], axis=2 => axis 2 is out of range for rank 2", "f[3,4], f[3,2], axis=1 => weights are for 3 elements, axis 1 has 4",
                          "f[3], f[3], axis=0 => weights must have rank 2", "f[3], i[3,2]@0:1, axis=0 => one dtype", "i[3]@0:1, f[3,2], axis=0 => float32"));

/* ---- resize ---- */
/* The part of the images that is resized, by its place in them: outside where they are padded. */
typedef struct frame { int64_t top, left, h, w; } frame;
static int64_t between(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }
static frame frame_of(const cn_resize_args *o, const cni_image *m) {
  const int64_t h = (int64_t)((double)(m->w * o->size.v[0]) / (double)o->size.v[1]), w = (int64_t)((double)(m->h * o->size.v[1]) / (double)o->size.v[0]);
  if (o->crop_to_aspect_ratio) {
    const int64_t ch = between(h, 1, m->h), cw = between(w, 1, m->w);
    return (frame){ (m->h - ch) / 2, (m->w - cw) / 2, ch, cw };
  }
  const int64_t top = o->pad_to_aspect_ratio && h > m->h ? (h - m->h) / 2 : 0, left = o->pad_to_aspect_ratio && w > m->w ? (w - m->w) / 2 : 0;
  return (frame){ -top, -left, m->h + 2 * top, m->w + 2 * left };
}
static cn_code resize_infer(const cn_call *c) {
  const cn_resize_args *o = c->args;
  const kernel *k = kernel_of(o->interpolation);
  cni_image m;
  char text[CNI_TEXT];
  if (!cni_image_take(c, 0, o->data_format, false, &m)) return cn_error_code(c->graph);
  if (o->size.n != 2 || o->size.v[0] < 1 || o->size.v[1] < 1)
    return cn_fail(c->graph, CN_VALUE, "size must be two positive numbers, got %s", cni_ints_text(o->size, text));
  if (!k || !k->keras) return unknown_kernel(c->graph, "interpolation", o->interpolation);
  if (o->crop_to_aspect_ratio && o->pad_to_aspect_ratio) return cn_fail(c->graph, CN_VALUE, "crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other");
  if (!o->fill_mode || strcmp(o->fill_mode, "constant"))
    return cn_fail(c->graph, CN_VALUE, "fill_mode must be constant, got %s", o->fill_mode ? o->fill_mode : "None");
  if (!m.h || !m.w) return cn_fail(c->graph, CN_SHAPE, "images have no pixels");
  cni_sig_like(c, &c->x[0]->dims);
  c->sig[0].dims.d[m.ah] = o->size.v[0];
  c->sig[0].dims.d[m.aw] = o->size.v[1];
  return CN_OK;
}
static cn_tensor *framed(cn_graph *g, cn_tensor *x, const cn_resize_args *o, const cni_image *m, frame f) {
  int64_t start[CN_MAX_RANK] = { 0 }, pads[2 * CN_MAX_RANK] = { 0 };
  cn_dims size = x->dims;
  const cn_ints begin = { start, x->dims.rank }, around = { pads, 2 * x->dims.rank };
  if (f.top < 0 || f.left < 0) {
    pads[2 * m->ah] = pads[2 * m->ah + 1] = -f.top;
    pads[2 * m->aw] = pads[2 * m->aw + 1] = -f.left;
    return cn_pad(g, x, .pad_width = around, .constant_values = o->fill_value);
  }
  if (f.h == m->h && f.w == m->w) return x;
  start[m->ah] = f.top, start[m->aw] = f.left, size.d[m->ah] = f.h, size.d[m->aw] = f.w;
  return cn_slice(g, x, .start_indices = begin, .shape = cni_sizes(&size));
}
/* Where along an axis the nearest elements are: floor((i + 1/2) in / out), in float32 as TensorFlow. */
static cn_tensor *nearest(cn_graph *g, cn_tensor *x, int at, int64_t in, int64_t out) {
  cn_tensor *place = cn_floor(g, cn_scale(g, cn_shift(g, cn_arange(g, CN_F32, 0, (double)out, 1), 0.5), (double)((float)in / (float)out)));
  return cn_take(g, x, cn_cast(g, cn_clip(g, place, 0, (double)in - 1), .dtype = "int32"), .axis = at);
}
static void resize_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_resize_args *o = c->args;
  const cni_image m = cni_image_of(&c->x[0]->dims, o->data_format);
  const frame f = frame_of(o, &m);
  const cn_dtype dtype = (cn_dtype)c->x[0]->dtype;
  cn_tensor *x = framed(g, c->x[0], o, &m, f);
  if (!strcmp(o->interpolation, "nearest")) {
    y[0] = nearest(g, nearest(g, x, m.ah, f.h, o->size.v[0]), m.aw, f.w, o->size.v[1]);
    return;
  }
  const char *const wide = dtype == CN_F64 ? "float64" : "float32";
  x = cni_image_float(g, x);
  const int at[2] = { m.ah, m.aw };
  const int64_t in[2] = { f.h, f.w };
  for (int i = 0; i < 2; i++) {
    if (in[i] == o->size.v[i]) continue;
    cn_tensor *weights = cn_resize_weights(g, in[i], o->size.v[i], .method = o->interpolation, .antialias = o->antialias, .dtype = wide);
    x = cn_resize_axis(g, x, weights, .axis = at[i]);
  }
  y[0] = f.h == o->size.v[0] && f.w == o->size.v[1] && x == c->x[0] ? cn_identity(g, x) : cni_image_cast(g, x, dtype);
}
static double framed_at(const cn_reference *r, const cni_image *m, const frame *f, int64_t n, int64_t h, int64_t w, int64_t ch) {
  h += f->top, w += f->left;
  return h < 0 || w < 0 || h >= m->h || w >= m->w ? ((const cn_resize_args *)r->call->args)->fill_value : r->x[0][cni_pixel(m, n, h, w, ch)];
}
static void resize_reference(const cn_reference *r) {
  const cn_resize_args *o = r->call->args;
  const cni_image m = cni_image_of(&r->call->x[0]->dims, o->data_format), t = cni_image_of(&r->call->y[0]->dims, o->data_format);
  const frame f = frame_of(o, &m);
  const kernel *k = kernel_of(o->interpolation);
  const axis down = { k, f.h, t.h, (double)t.h / (double)f.h, 0, o->antialias }, across = { k, f.w, t.w, (double)t.w / (double)f.w, 0, o->antialias };
  for (int64_t i = 0; i < t.n * t.h * t.w * t.c; i++) {
    const int64_t ch = i % t.c, w = i / t.c % t.w, h = i / t.c / t.w % t.h, n = i / t.c / t.w / t.h;
    double sum = 0;
    for (int64_t a = 0; a < f.h; a++)
      for (int64_t b = 0; b < f.w; b++) sum += naive_weight(&down, h, a) * naive_weight(&across, w, b) * framed_at(r, &m, &f, n, a, b, ch);
    r->y[0][cni_pixel(&t, n, h, w, ch)] = cni_is_float((cn_dtype)r->call->y[0]->dtype) ? sum : trunc(sum);
  }
}
CN_OP(resize, CN_LIST_RESIZE, .outputs = 1, .infer = resize_infer, .compose = resize_compose, .reference = resize_reference,
      .samples = CN_TEXTS("f[4,6,2], size=[3,4]", "f[1,7,6,2], size=[3,4], interpolation='bicubic'",
                          "f[2,5,4,1], size=[3,9], interpolation='lanczos3', antialias=true", "f[3,4,1], size=[4,5], interpolation='lanczos5'",
                          "f[1,8,5,1], size=[3,9], antialias=true", "f[1,5,6,1], size=[3,3], interpolation='bicubic', antialias=true",
                          "f[1,4,6,1], size=[3,9], interpolation='nearest'", "f[1,2,6,5], size=[4,3], data_format='channels_first'",
                          "f[1,6,9,1], size=[4,4], crop_to_aspect_ratio=true", "f[1,7,5,1], size=[3,6], crop_to_aspect_ratio=true",
                          "f[1,6,3,2], size=[4,4], pad_to_aspect_ratio=true, fill_value=7.5", "f[3,7,1], size=[2,3], pad_to_aspect_ratio=true",
                          "f[5,5,1], size=[5,5]", "i[1,4,4,1]@0:9, size=[2,3], interpolation='nearest'", "f[1,6,4,1], size=[4,3], interpolation='area'",
                          "f[1,6,4,1], size=[4,3], interpolation='gaussian'", "f[1,3,4,1], size=[4,3], interpolation='mitchellcubic'", "f[0,3,4,1], size=[2,2]",
                          "f[1,1,1,2], size=[2,3], interpolation='bicubic'", "f[2,3,4], size=[3,6], interpolation='nearest', data_format='channels_first'"),
      .rejects = CN_TEXTS("f[3,4], size=[2,2] => images must have rank 3 or 4, got rank 2", "f[3,4,1], size=[2] => size must be two positive numbers, got [2]",
                          "f[3,4,1], size=[2,0] => size must be two positive numbers, got [2,0]",
                          "f[3,4,1], size=[2,2], interpolation='cubic' => interpolation \"cubic\" is unknown",
                          "f[3,4,1], size=[2,2], crop_to_aspect_ratio=true, pad_to_aspect_ratio=true => exclude each other",
                          "f[3,4,1], size=[2,2], fill_mode='reflect' => fill_mode must be constant, got reflect", "s[3,4,1], size=[2,2] => string",
                          "f[3,4,1], size=[2,2], data_format='last' => data_format must be channels_last or channels_first, got \"last\"",
                          "f[3,0,1], size=[2,2] => images have no pixels"));

/* ---- scale_and_translate ---- */
static cn_code scale_and_translate_infer(const cn_call *c) {
  const cn_scale_and_translate_args *o = c->args;
  const kernel *k = kernel_of(o->method);
  uint32_t bits = 0;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  const cn_dims *x = &c->x[0]->dims;
  if (!cni_dims_from(c->graph, o->output_shape, &c->sig[0].dims)) return CN_VALUE;
  if (!k || k->radius == 0 || k->of == bell || k->of == mitchell) return unknown_kernel(c->graph, "method", o->method);
  if (c->sig[0].dims.rank != x->rank) return cn_fail(c->graph, CN_SHAPE, "output_shape has %d sizes, the rank of images is %d", c->sig[0].dims.rank, x->rank);
  if (o->spatial_dims.n < 0 || o->scale.n != o->spatial_dims.n || o->translation.n != o->spatial_dims.n)
    return cn_fail(c->graph, CN_VALUE, "scale and translation must have one number for each of spatial_dims");
  if (o->spatial_dims.n && !cni_axes(c->graph, o->spatial_dims, x->rank, &bits)) return cn_error_code(c->graph);
  for (int i = 0; i < x->rank; i++) {
    const bool spatial = bits >> i & 1;
    if (spatial && !x->d[i]) return cn_fail(c->graph, CN_SHAPE, "axis %d has no elements", i);
    if (!spatial && x->d[i] != CN_UNKNOWN && c->sig[0].dims.d[i] != x->d[i])
      return cn_fail(c->graph, CN_SHAPE, "axis %d is not one of spatial_dims and may not change its size", i);
  }
  for (int64_t i = 0; i < o->scale.n; i++)
    if (!(o->scale.v[i] > 0)) return cn_fail(c->graph, CN_VALUE, "scale must be positive, got %g", o->scale.v[i]);
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  return CN_OK;
}
static void scale_and_translate_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_scale_and_translate_args *o = c->args;
  const cn_dims *d = &c->x[0]->dims;
  y[0] = cn_identity(g, c->x[0]);
  for (int64_t i = 0; i < o->spatial_dims.n; i++) {
    const int at = cni_wrap(o->spatial_dims.v[i], d->rank);
    cn_tensor *weights = cn_resize_weights(g, d->d[at], o->output_shape.v[at], .scale = o->scale.v[i], .translation = o->translation.v[i],
                                           .method = o->method, .antialias = o->antialias, .dtype = cn_dtype_name((cn_dtype)c->x[0]->dtype));
    y[0] = cn_resize_axis(g, y[0], weights, .axis = at);
  }
}
/* The sum over the source's elements, each weighing what its places along the spatial axes do. */
static void scale_and_translate_reference(const cn_reference *r) {
  const cn_scale_and_translate_args *o = r->call->args;
  const cn_dims *x = &r->call->x[0]->dims, *y = &r->call->y[0]->dims;
  int64_t to[CN_MAX_RANK] = { 0 };
  for (int64_t i = 0; i < r->call->y[0]->count; i++, cni_next(y, to)) {
    int64_t from[CN_MAX_RANK] = { 0 };
    r->y[0][i] = 0;
    for (int64_t j = 0; j < r->call->x[0]->count; j++, cni_next(x, from)) {
      double weight = 1;
      uint32_t spatial = 0;
      for (int64_t k = 0; k < o->spatial_dims.n; k++) {
        const int at = cni_wrap(o->spatial_dims.v[k], x->rank);
        const axis a = { kernel_of(o->method), x->d[at], y->d[at], o->scale.v[k], o->translation.v[k], o->antialias };
        weight *= naive_weight(&a, to[at], from[at]);
        spatial |= 1u << at;
      }
      for (int k = 0; k < x->rank; k++) weight *= spatial >> k & 1 ? 1 : to[k] == from[k];
      r->y[0][i] += weight * r->x[0][j];
    }
  }
}
CN_OP(scale_and_translate, CN_LIST_SCALE_AND_TRANSLATE, .outputs = 1, .infer = scale_and_translate_infer, .compose = scale_and_translate_compose,
      .reference = scale_and_translate_reference,
      .samples = CN_TEXTS("f[4,5,2], output_shape=[6,3,2], scale=[1.5,0.5], translation=[0.25,-0.5], spatial_dims=[0,1], method='linear'",
                          "f[3,4], output_shape=[3,7], scale=[2], translation=[1], spatial_dims=[-1], method='cubic', antialias=false",
                          "f[1,5,4,1], output_shape=[1,3,4,1], scale=[0.6], translation=[0], spatial_dims=[1], method='lanczos3'",
                          "f[3], output_shape=[3], scale=[], translation=[], spatial_dims=[], method='bilinear'",
                          "f[4,4], output_shape=[5,5], scale=[1.25,1], translation=[-1,9], spatial_dims=[1,0], method='lanczos5'"),
      .rejects = CN_TEXTS(
          "f[3,4], output_shape=[3], scale=[2], translation=[1], spatial_dims=[1], method='cubic' => output_shape has 1 sizes, the rank of images is 2",
          "f[3], output_shape=[3], scale=[1], translation=[1], spatial_dims=[0] => method \"None\" is unknown",
          "f[3,4], output_shape=[2,4], scale=[2], translation=[1], spatial_dims=[1], method='cubic' => axis 0 is not one of spatial_dims",
          "f[3], output_shape=[3], scale=[1,2], translation=[1], spatial_dims=[0], method='cubic' => one number for each",
          "f[3], output_shape=[3], scale=[-1], translation=[1], spatial_dims=[0], method='cubic' => scale must be positive, got -1",
          "f[3], output_shape=[3], scale=[1], translation=[1], spatial_dims=[0], method='area' => method \"area\" is unknown",
          "f[3], output_shape=[3], scale=[1], translation=[1], spatial_dims=[1], method='cubic' => axis 1 is out of range for rank 1",
          "i[3]@0:2, output_shape=[3], scale=[1], translation=[1], spatial_dims=[0], method='cubic' => float32 and float64"));

const cn_op *const cni_ops_image_resize[] = { &cn_op_resize_weights, &cn_op_resize_axis, &cn_op_resize, &cn_op_scale_and_translate, NULL };
