/* Colours and edges of images, declared in ops_image.h, and what the operations on images share. */
#include "ops_image_private.h"

/* ---- layouts ---- */
/* Axes and sizes, which may be unknown; no strides. */
static cni_image sizes_of(const cn_dims *d, const char *data_format) {
  const int b = d->rank - 3, first = cni_channels_first(data_format);
  cni_image m = { .ah = b + first, .aw = b + first + 1, .ac = first ? b : b + 2, .n = b ? d->d[0] : 1 };
  m.h = d->d[m.ah], m.w = d->d[m.aw], m.c = d->d[m.ac];
  return m;
}
cni_image cni_image_of(const cn_dims *d, const char *data_format) {
  const bool first = cni_channels_first(data_format);
  cni_image m = sizes_of(d, data_format);
  m.sw = first ? 1 : m.c, m.sh = m.w * m.sw, m.sc = first ? m.h * m.w : 1, m.sn = m.h * m.w * m.c;
  return m;
}
bool cni_image_take(const cn_call *c, int64_t input, const char *data_format, bool floats, cni_image *m) {
  const cn_tensor *x = c->x[input];
  const char *name = c->op->schema.rows[input].name;
  if (cni_refuse_strings(c) || (floats && cni_need_float(c, input))) return false;
  if (data_format && !cni_channels_first(data_format) && strcmp(data_format, "channels_last"))
    return cn_fail(c->graph, CN_VALUE, "data_format must be channels_last or channels_first, got \"%s\"", data_format), false;
  if (x->dims.rank != 3 && x->dims.rank != 4) return cn_fail(c->graph, CN_SHAPE, "%s must have rank 3 or 4, got rank %d", name, x->dims.rank), false;
  *m = sizes_of(&x->dims, data_format);
  return true;
}
cn_tensor *cni_image_float(cn_graph *g, cn_tensor *x) { return !x || cni_is_float((cn_dtype)x->dtype) ? x : cn_cast(g, x, .dtype = "float32"); }
cn_tensor *cni_image_cast(cn_graph *g, cn_tensor *x, cn_dtype dtype) {
  return !x || (cn_dtype)x->dtype == dtype ? x : cn_cast(g, x, .dtype = cn_dtype_name(dtype));
}
cn_tensor *cni_image_batched(cn_graph *g, cn_tensor *x, int rank) {
  const cn_ints front = CN_INTS(0);
  return rank == 3 ? cn_expand_dims(g, x, .axis = front) : x;
}
cn_tensor *cni_image_unbatched(cn_graph *g, cn_tensor *x, int rank) {
  const cn_ints front = CN_INTS(0);
  return rank == 3 ? cn_squeeze(g, x, .axis = front) : x;
}

/* ---- colours ---- */
static cn_code rgb_infer(const cn_call *c, bool floats, bool one) {
  cni_image m;
  if (!cni_image_take(c, 0, ((const cn_rgb_to_hsv_args *)c->args)->data_format, floats, &m)) return cn_error_code(c->graph);
  if (m.c != 3 && m.c != CN_UNKNOWN) return cn_fail(c->graph, CN_SHAPE, "images must have 3 channels, got %lld", (long long)m.c);
  cni_sig_like(c, &c->x[0]->dims);
  c->sig[0].dims.d[m.ac] = one ? 1 : 3;
  return CN_OK;
}
static cn_code rgb_to_grayscale_infer(const cn_call *c) { return rgb_infer(c, false, true); }
static cn_code rgb_to_hsv_infer(const cn_call *c) { return rgb_infer(c, true, false); }
static cn_code hsv_to_rgb_infer(const cn_call *c) { return rgb_infer(c, true, false); }

/* The three channels of the first input, each with its axis; returns where it stands. */
static int channels(cn_graph *g, const cn_call *c, cn_tensor *x, cn_tensor **each) {
  const int at = cni_image_of(&c->x[0]->dims, ((const cn_rgb_to_hsv_args *)c->args)->data_format).ac;
  for (int k = 0; k < 3; k++) each[k] = cni_part(g, x, at, k, 1);
  return at;
}
static const double gray[3] = { 0.2989, 0.587, 0.114 };
static void rgb_to_grayscale_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  cn_tensor *p[3];
  channels(g, c, cni_image_float(g, c->x[0]), p);
  for (int k = 0; k < 3; k++) p[k] = cn_scale(g, p[k], gray[k]);
  y[0] = cni_image_cast(g, cn_add(g, cn_add(g, p[0], p[1]), p[2]), (cn_dtype)c->x[0]->dtype);
}
static void rgb_to_hsv_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  cn_tensor *p[3];
  const int at = channels(g, c, c->x[0], p);
  if (!p[2]) return;
  cn_tensor *zero = NUMBER(p[0], 0), *one = NUMBER(p[0], 1), *r = p[0], *b = p[2];
  cn_tensor *v = cn_maximum(g, cn_maximum(g, r, p[1]), b), *range = cn_subtract(g, v, cn_minimum(g, cn_minimum(g, r, p[1]), b));
  cn_tensor *some = cn_greater(g, range, zero), *light = cn_greater(g, v, zero), *six = cn_scale(g, cn_where(g, some, range, one), 6);
  cn_tensor *s = cn_where(g, light, cn_divide(g, range, cn_where(g, light, v, one)), zero);
  cn_tensor *of_r = cn_divide(g, cn_subtract(g, p[1], b), six), *of_g = cn_shift(g, cn_divide(g, cn_subtract(g, b, r), six), 2.0 / 6),
            *of_b = cn_shift(g, cn_divide(g, cn_subtract(g, r, p[1]), six), 4.0 / 6);
  cn_tensor *h = cn_where(g, cn_equal(g, r, v), of_r, cn_where(g, cn_equal(g, p[1], v), of_g, of_b));
  if (!h) return;
  h = cn_where(g, some, cn_add(g, h, cn_cast(g, cn_less(g, h, zero), .dtype = cn_dtype_name((cn_dtype)h->dtype))), zero);
  y[0] = cn_concatenate(g, CN_TENSORS(h, s, v), .axis = at);
}
static void hsv_to_rgb_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  static const double middle[3] = { 3, 2, 4 };
  cn_tensor *p[3], *rgb[3];
  const int at = channels(g, c, c->x[0], p);
  cn_tensor *h = cn_scale(g, p[0], 6), *rest = cn_shift(g, cn_negative(g, p[1]), 1);
  for (int k = 0; k < 3; k++) {
    cn_tensor *d = cn_abs(g, cn_shift(g, h, -middle[k]));
    d = cn_clip(g, k ? cn_shift(g, cn_negative(g, d), 2) : cn_shift(g, d, -1), 0, 1);
    rgb[k] = cn_multiply(g, cn_add(g, rest, cn_multiply(g, p[1], d)), p[2]);
  }
  y[0] = cn_concatenate(g, CN_TENSORS(rgb[0], rgb[1], rgb[2]), .axis = at);
}

/* Each pixel's three numbers through f. */
static void each_pixel(const cn_reference *r, void (*f)(const double *p, double *q)) {
  const char *format = ((const cn_rgb_to_hsv_args *)r->call->args)->data_format;
  const cni_image m = cni_image_of(&r->call->x[0]->dims, format), t = cni_image_of(&r->call->y[0]->dims, format);
  for (int64_t i = 0; i < m.n * m.h * m.w; i++) {
    const int64_t n = i / m.w / m.h, h = i / m.w % m.h, w = i % m.w;
    const double p[3] = { r->x[0][cni_pixel(&m, n, h, w, 0)], r->x[0][cni_pixel(&m, n, h, w, 1)], r->x[0][cni_pixel(&m, n, h, w, 2)] };
    double q[3];
    f(p, q);
    for (int64_t k = 0; k < t.c; k++) r->y[0][cni_pixel(&t, n, h, w, k)] = cni_is_float((cn_dtype)r->call->y[0]->dtype) ? q[k] : trunc(q[k]);
  }
}
static void naive_gray(const double *p, double *q) { q[0] = 0.2989 * p[0] + 0.587 * p[1] + 0.114 * p[2]; }
static void naive_hsv(const double *p, double *q) {
  int most = p[1] > p[0];
  if (p[2] > p[most]) most = 2;
  const double least = fmin(fmin(p[0], p[1]), p[2]), range = p[most] - least,
               h = range > 0 ? (p[(most + 1) % 3] - p[(most + 2) % 3]) / (6 * range) + most / 3.0 : 0;
  q[0] = h < 0 ? h + 1 : h;
  q[1] = p[most] > 0 ? range / p[most] : 0;
  q[2] = p[most];
}
static double naive_ramp(double d) { return d < 0 ? 0 : d > 1 ? 1 : d; }
static void naive_rgb(const double *p, double *q) {
  const double h = 6 * p[0], d[3] = { naive_ramp(fabs(h - 3) - 1), naive_ramp(2 - fabs(h - 2)), naive_ramp(2 - fabs(h - 4)) };
  for (int k = 0; k < 3; k++) q[k] = p[2] * (1 - p[1] + p[1] * d[k]);
}
static void rgb_to_grayscale_reference(const cn_reference *r) { each_pixel(r, naive_gray); }
static void rgb_to_hsv_reference(const cn_reference *r) { each_pixel(r, naive_hsv); }
static void hsv_to_rgb_reference(const cn_reference *r) { each_pixel(r, naive_rgb); }
#define COLOURS "f[2,3,4,3]@0:1", "f[3,4,3]@distinct@0:255", "f[1,3,2,4]@0:1, data_format='channels_first'", "f[3,1,2]@0.1:1, data_format='channels_first'", "f[0,2,2,3]", "f[1,2,2,3]@-2:2"
#define COLOUR_REJECTS "f[3,4] => images must have rank 3 or 4, got rank 2", "f[2,2,4] => images must have 3 channels, got 4", "f[2,2,3], data_format='chw' => data_format must be channels_last or channels_first"
CN_OP(rgb_to_grayscale, CN_LIST_IMAGES, .outputs = 1, .infer = rgb_to_grayscale_infer, .compose = rgb_to_grayscale_compose,
      .reference = rgb_to_grayscale_reference, .samples = CN_TEXTS(COLOURS, "i[2,2,3]@1:9"), .rejects = CN_TEXTS(COLOUR_REJECTS, "s[2,2,3] => string"));
CN_OP(rgb_to_hsv, CN_LIST_IMAGES, .outputs = 1, .infer = rgb_to_hsv_infer, .compose = rgb_to_hsv_compose, .reference = rgb_to_hsv_reference,
      .samples = CN_TEXTS(COLOURS), .rejects = CN_TEXTS(COLOUR_REJECTS, "i[2,2,3]@0:9 => float32 and float64"));
CN_OP(hsv_to_rgb, CN_LIST_IMAGES, .outputs = 1, .infer = hsv_to_rgb_infer, .compose = hsv_to_rgb_compose, .reference = hsv_to_rgb_reference,
      .samples = CN_TEXTS(COLOURS), .rejects = CN_TEXTS(COLOUR_REJECTS, "i[2,2,3]@0:9 => float32 and float64"));

/* ---- crop_images, pad_images ---- */
/* Along one axis of n pixels: what goes or comes before and behind, and what results. */
typedef struct edge { int64_t before, behind, size; } edge;
static int64_t missing(int64_t v) { return v == CN_NONE; }
/* sign 1 adds, -1 cuts. Two of before, behind and target are given. */
static cn_code edge_of(const cn_call *c, const char *which, int64_t before, int64_t behind, int64_t target, int64_t n, int sign, edge *e) {
  if (missing(before) + missing(behind) + missing(target) != 1) return cn_fail(c->graph, CN_VALUE, "two of %s must be given", which);
  if ((!missing(before) && before < 0) || (!missing(behind) && behind < 0) || (!missing(target) && target < 0))
    return cn_fail(c->graph, CN_VALUE, "%s must not be negative", which);
  if (before > INT32_MAX || behind > INT32_MAX || target > INT32_MAX) return cn_fail(c->graph, CN_VALUE, "%s must be below 2^31", which);
  *e = (edge){ before, behind, target };
  if (n == CN_UNKNOWN) return e->size = missing(target) ? CN_UNKNOWN : target, CN_OK;
  if (missing(target)) e->size = n + sign * (before + behind);
  else if (missing(before)) e->before = sign * (target - n) - behind;
  else if (missing(behind)) e->behind = sign * (target - n) - before;
  if (e->before < 0 || e->behind < 0 || e->size < 0)
    return cn_fail(c->graph, CN_VALUE, "%s: %lld, %lld and %lld do not fit %lld pixels", which, (long long)e->before, (long long)e->behind, (long long)e->size,
                   (long long)n);
  return CN_OK;
}
/* The args of both operations have the same members under other names. */
static cn_code edges_of(const cn_call *c, int sign, cni_image *m, edge *down, edge *across) {
  const cn_crop_images_args *o = c->args;
  if (!cni_image_take(c, 0, o->data_format, false, m)) return cn_error_code(c->graph);
  const cn_code code = edge_of(c, sign > 0 ? "top_padding, bottom_padding, target_height" : "top_cropping, bottom_cropping, target_height", o->top_cropping,
                               o->bottom_cropping, o->target_height, m->h, sign, down);
  return code ? code
              : edge_of(c, sign > 0 ? "left_padding, right_padding, target_width" : "left_cropping, right_cropping, target_width", o->left_cropping,
                        o->right_cropping, o->target_width, m->w, sign, across);
}
static cn_code edges_infer(const cn_call *c, int sign) {
  cni_image m;
  edge down, across;
  const cn_code code = edges_of(c, sign, &m, &down, &across);
  if (code) return code;
  cni_sig_like(c, &c->x[0]->dims);
  c->sig[0].dims.d[m.ah] = down.size;
  c->sig[0].dims.d[m.aw] = across.size;
  return CN_OK;
}
static cn_code crop_images_infer(const cn_call *c) { return edges_infer(c, -1); }
static cn_code pad_images_infer(const cn_call *c) { return edges_infer(c, 1); }
static void crop_images_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  int64_t start[CN_MAX_RANK] = { 0 };
  cni_image m;
  edge down, across;
  if (edges_of(c, -1, &m, &down, &across)) return;
  start[m.ah] = down.before, start[m.aw] = across.before;
  const cn_ints at = { start, c->x[0]->dims.rank };
  y[0] = cn_slice(g, c->x[0], .start_indices = at, .shape = cni_sizes(&c->sig[0].dims));
}
static void pad_images_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  int64_t pads[2 * CN_MAX_RANK] = { 0 };
  cni_image m;
  edge down, across;
  if (edges_of(c, 1, &m, &down, &across)) return;
  pads[2 * m.ah] = down.before, pads[2 * m.ah + 1] = down.behind, pads[2 * m.aw] = across.before, pads[2 * m.aw + 1] = across.behind;
  const cn_ints around = { pads, 2 * c->x[0]->dims.rank };
  y[0] = cn_pad(g, c->x[0], .pad_width = around);
}
static void edges_reference(const cn_reference *r, int sign) {
  const cn_crop_images_args *o = r->call->args;
  const cni_image m = cni_image_of(&r->call->x[0]->dims, o->data_format), t = cni_image_of(&r->call->y[0]->dims, o->data_format);
  const int64_t top = missing(o->top_cropping) ? sign * (t.h - m.h) - o->bottom_cropping : o->top_cropping,
                left = missing(o->left_cropping) ? sign * (t.w - m.w) - o->right_cropping : o->left_cropping;
  for (int64_t i = 0; i < t.n * t.h * t.w * t.c; i++) {
    const int64_t ch = i % t.c, w = i / t.c % t.w, h = i / t.c / t.w % t.h, n = i / t.c / t.w / t.h, a = h - sign * top, b = w - sign * left;
    r->y[0][cni_pixel(&t, n, h, w, ch)] = a >= 0 && b >= 0 && a < m.h && b < m.w ? r->x[0][cni_pixel(&m, n, a, b, ch)] : 0;
  }
}
static void crop_images_reference(const cn_reference *r) { edges_reference(r, -1); }
static void pad_images_reference(const cn_reference *r) { edges_reference(r, 1); }
CN_OP(crop_images, CN_LIST_CROP_IMAGES, .outputs = 1, .infer = crop_images_infer, .compose = crop_images_compose, .reference = crop_images_reference,
      .samples = CN_TEXTS("f[4,5,2], top_cropping=1, left_cropping=2, bottom_cropping=1, right_cropping=1",
                          "f[2,4,5,1], top_cropping=1, target_height=2, right_cropping=0, target_width=3",
                          "i[1,2,5,4]@0:9, bottom_cropping=2, target_height=3, left_cropping=1, target_width=3, data_format='channels_first'",
                          "f[3,3,1], top_cropping=0, bottom_cropping=0, left_cropping=0, right_cropping=0",
                          "f[3,3,1], top_cropping=3, bottom_cropping=0, left_cropping=0, right_cropping=0"),
      .rejects = CN_TEXTS("f[4,5,2], top_cropping=1, left_cropping=2, right_cropping=1 => two of top_cropping, bottom_cropping, target_height must be given",
                          "f[4,5,2], top_cropping=1, bottom_cropping=1, left_cropping=2, right_cropping=1, target_width=2 => two of left_cropping",
                          "f[4,5,2], top_cropping=3, bottom_cropping=2, left_cropping=0, right_cropping=0 => 3, 2 and -1 do not fit 4 pixels",
                          "f[4,5,2], top_cropping=1, target_height=4, left_cropping=0, right_cropping=0 => do not fit",
                          "f[4,5], top_cropping=1 => images must have rank 3 or 4"));
CN_OP(pad_images, CN_LIST_PAD_IMAGES, .outputs = 1, .infer = pad_images_infer, .compose = pad_images_compose, .reference = pad_images_reference,
      .samples = CN_TEXTS("f[3,2,2], top_padding=1, left_padding=2, bottom_padding=1, right_padding=0",
                          "f[2,3,3,1], top_padding=1, target_height=5, right_padding=0, target_width=4",
                          "i[1,2,3,2]@0:9, bottom_padding=2, target_height=6, left_padding=1, target_width=3, data_format='channels_first'",
                          "f[3,3,1], top_padding=0, bottom_padding=0, left_padding=0, right_padding=0"),
      .rejects = CN_TEXTS("f[4,5,2], top_padding=9223372036854775807, bottom_padding=1, left_padding=0, right_padding=0 => must be below 2^31",
                          "f[4,5,2], top_padding=1, target_height=-5, left_padding=0, right_padding=0 => must not be negative",
                          "f[4,5,2], top_padding=1, left_padding=2, right_padding=1 => two of top_padding, bottom_padding, target_height must be given",
                          "f[4,5,2], top_padding=1, target_height=4, left_padding=0, right_padding=0 => 1, -1 and 4 do not fit 4 pixels",
                          "f[4,5,2], top_padding=-1, bottom_padding=2, left_padding=0, right_padding=0 => must not be negative",
                          "s[4,5,2], top_padding=1 => string"));

const cn_op *const cni_ops_image[] = { &cn_op_rgb_to_grayscale, &cn_op_rgb_to_hsv, &cn_op_hsv_to_rgb, &cn_op_crop_images, &cn_op_pad_images, NULL };
