/* Windows that move over images, declared in ops_image.h: blur, edges, similarity, patches. */
#include <stdlib.h>
#include "conv_private.h"
#include "ops_image_private.h"

/* ---- Gaussian windows ---- */
cn_tensor *cni_image_bell(cn_graph *g, cn_dtype dtype, int64_t size, double sigma) {
  cn_tensor *i = cn_shift(g, cn_arange(g, dtype, 0, (double)size, 1), -0.5 * (double)(size - 1));
  cn_tensor *e = cn_exp(g, cn_scale(g, cn_square(g, i), -0.5 / (sigma * sigma)));
  return cn_divide(g, e, cn_sum(g, e));
}
double cni_image_bell_at(int64_t size, double sigma, int64_t i) {
  double sum = 0;
  for (int64_t k = 0; k < size; k++) sum += exp(-0.5 * pow(((double)k - 0.5 * (double)(size - 1)) / sigma, 2));
  return exp(-0.5 * pow(((double)i - 0.5 * (double)(size - 1)) / sigma, 2)) / sum;
}
/* Images with a batch, each channel by itself times a window along the height and one along the width. */
static cn_tensor *windowed(cn_graph *g, cn_tensor *x, int64_t channels, cn_tensor *down, cn_tensor *across, const char *padding, const char *format) {
  if (!down || !across) return NULL;
  const cn_dims one[2] = { { 4, { down->count, 1, 1, 1 } }, { 4, { 1, across->count, 1, 1 } } },
                all[2] = { { 4, { down->count, 1, channels, 1 } }, { 4, { 1, across->count, channels, 1 } } };
  for (int i = 0; i < 2; i++)
    x = cn_depthwise_conv(g, x, cni_spread(g, cni_to_shape(g, i ? across : down, &one[i]), &all[i]), .padding = padding, .data_format = format);
  return x;
}

/* ---- gaussian_blur ---- */
static int64_t blur_size(const cn_gaussian_blur_args *o, int i) { return o->kernel_size.n < 0 ? 3 : o->kernel_size.v[i]; }
static double blur_sigma(const cn_gaussian_blur_args *o, int i) { return o->sigma.n ? o->sigma.v[i] : 1; }
static cn_code gaussian_blur_infer(const cn_call *c) {
  const cn_gaussian_blur_args *o = c->args;
  cni_image m;
  char text[CNI_TEXT];
  if (!cni_image_take(c, 0, o->data_format, true, &m)) return cn_error_code(c->graph);
  if (o->kernel_size.n >= 0 && (o->kernel_size.n != 2 || o->kernel_size.v[0] < 1 || o->kernel_size.v[1] < 1))
    return cn_fail(c->graph, CN_VALUE, "kernel_size must be two positive numbers, got %s", cni_ints_text(o->kernel_size, text));
  if (o->sigma.n && (o->sigma.n != 2 || !(o->sigma.v[0] > 0) || !(o->sigma.v[1] > 0))) return cn_fail(c->graph, CN_VALUE, "sigma must be two positive numbers");
  if (!m.h || !m.w || !m.c) return cn_fail(c->graph, CN_SHAPE, "images have no pixels");
  return cni_sig_like(c, &c->x[0]->dims), CN_OK;
}
static void gaussian_blur_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_gaussian_blur_args *o = c->args;
  const cni_image m = cni_image_of(&c->x[0]->dims, o->data_format);
  const cn_dtype dtype = (cn_dtype)c->x[0]->dtype;
  const int rank = c->x[0]->dims.rank;
  cn_tensor *bell[2];
  for (int i = 0; i < 2; i++) bell[i] = cni_image_bell(g, dtype, blur_size(o, i), blur_sigma(o, i));
  y[0] = cni_image_unbatched(g, windowed(g, cni_image_batched(g, c->x[0], rank), m.c, bell[0], bell[1], "same", o->data_format), rank);
}
static void gaussian_blur_reference(const cn_reference *r) {
  const cn_gaussian_blur_args *o = r->call->args;
  const cni_image m = cni_image_of(&r->call->x[0]->dims, o->data_format);
  const int64_t kh = blur_size(o, 0), kw = blur_size(o, 1);
  for (int64_t i = 0; i < m.n * m.h * m.w * m.c; i++) {
    const int64_t ch = i % m.c, w = i / m.c % m.w, h = i / m.c / m.w % m.h, n = i / m.c / m.w / m.h;
    double sum = 0;
    for (int64_t a = 0; a < kh; a++)
      for (int64_t b = 0; b < kw; b++) {
        const int64_t p = h + a - (kh - 1) / 2, q = w + b - (kw - 1) / 2;
        if (p >= 0 && q >= 0 && p < m.h && q < m.w)
          sum += cni_image_bell_at(kh, blur_sigma(o, 0), a) * cni_image_bell_at(kw, blur_sigma(o, 1), b) * r->x[0][cni_pixel(&m, n, p, q, ch)];
      }
    r->y[0][cni_pixel(&m, n, h, w, ch)] = sum;
  }
}
CN_OP(gaussian_blur, CN_LIST_BLUR, .outputs = 1, .infer = gaussian_blur_infer, .compose = gaussian_blur_compose, .reference = gaussian_blur_reference,
      .samples = CN_TEXTS("f[4,5,2]", "f[2,3,4,1], kernel_size=[5,3], sigma=[0.5,2]",
                          "f[1,2,5,4], kernel_size=[3,3], sigma=[0.9,0.9], data_format='channels_first'", "f[3,3,1], kernel_size=[1,1], sigma=[0.3,0.3]",
                          "f[3,4,1], kernel_size=[4,2]", "f[0,3,3,1]"),
      .rejects = CN_TEXTS("f[4,5] => images must have rank 3 or 4", "f[4,5,1], kernel_size=[3] => kernel_size must be two positive numbers, got [3]",
                          "f[4,5,1], kernel_size=[3,0] => kernel_size must be two positive numbers",
                          "f[4,5,1], sigma=[1,0] => sigma must be two positive numbers", "i[4,5,1]@0:9 => float32 and float64",
                          "f[0,5,1] => images have no pixels"));

/* ---- sobel_edges ---- */
static cn_code sobel_edges_infer(const cn_call *c) {
  cni_image m;
  if (!cni_image_take(c, 0, ((const cn_sobel_edges_args *)c->args)->data_format, true, &m)) return cn_error_code(c->graph);
  if (m.h == 0 || m.h == 1 || m.w == 0 || m.w == 1 || !m.c) return cn_fail(c->graph, CN_SHAPE, "images must have two rows and columns at least");
  cni_sig_like(c, &c->x[0]->dims);
  c->sig[0].dims.d[c->sig[0].dims.rank++] = 2;
  return CN_OK;
}
/* x [j + 2] - x [j] along an axis of n + 2, or x [j] + 2 x [j + 1] + x [j + 2]. */
static cn_tensor *three(cn_graph *g, cn_tensor *x, int at, bool smooth) {
  if (!x) return NULL;
  const int64_t n = x->dims.d[at] - 2;
  cn_tensor *part[3];
  for (int64_t k = 0; k < 3; k++) part[k] = k != 1 || smooth ? cni_part(g, x, at, k, n) : NULL;
  return smooth ? cn_add(g, cn_add(g, part[0], part[2]), cn_scale(g, part[1], 2)) : cn_subtract(g, part[2], part[0]);
}
static void sobel_edges_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  int64_t pads[2 * CN_MAX_RANK] = { 0 };
  const cni_image m = cni_image_of(&c->x[0]->dims, ((const cn_sobel_edges_args *)c->args)->data_format);
  pads[2 * m.ah] = pads[2 * m.ah + 1] = pads[2 * m.aw] = pads[2 * m.aw + 1] = 1;
  const cn_ints around = { pads, 2 * c->x[0]->dims.rank };
  cn_tensor *x = cn_pad(g, c->x[0], .pad_width = around, .mode = "reflect");
  y[0] = cn_stack(g, CN_TENSORS(three(g, three(g, x, m.ah, false), m.aw, true), three(g, three(g, x, m.ah, true), m.aw, false)), .axis = -1);
}
static void sobel_edges_reference(const cn_reference *r) {
  static const double taps[3][3] = { { -1, -2, -1 }, { 0, 0, 0 }, { 1, 2, 1 } };
  const cni_image m = cni_image_of(&r->call->x[0]->dims, ((const cn_sobel_edges_args *)r->call->args)->data_format);
  for (int64_t i = 0; i < m.n * m.h * m.w * m.c; i++) {
    const int64_t ch = i % m.c, w = i / m.c % m.w, h = i / m.c / m.w % m.h, n = i / m.c / m.w / m.h, to = cni_pixel(&m, n, h, w, ch);
    r->y[0][2 * to] = r->y[0][2 * to + 1] = 0;
    for (int64_t a = -1; a < 2; a++)
      for (int64_t b = -1; b < 2; b++) {
        const int64_t p = llabs(h + a) < m.h ? llabs(h + a) : 2 * (m.h - 1) - (h + a), q = llabs(w + b) < m.w ? llabs(w + b) : 2 * (m.w - 1) - (w + b);
        const double v = r->x[0][cni_pixel(&m, n, p, q, ch)];
        r->y[0][2 * to] += taps[a + 1][b + 1] * v;
        r->y[0][2 * to + 1] += taps[b + 1][a + 1] * v;
      }
  }
}
CN_OP(sobel_edges, CN_LIST_IMAGES, .outputs = 1, .infer = sobel_edges_infer, .compose = sobel_edges_compose, .reference = sobel_edges_reference,
      .samples = CN_TEXTS("f[3,4,2]", "f[2,3,3,1]", "f[1,2,4,3], data_format='channels_first'", "f[2,2,1]", "f[0,3,3,1]"),
      .rejects = CN_TEXTS("f[4,5] => images must have rank 3 or 4", "f[1,5,1] => two rows and columns at least", "i[4,5,1]@0:9 => float32 and float64",
                          "f[2,2,1], data_format='x' => data_format must be"));

/* ---- ssim ---- */
static cn_code ssim_infer(const cn_call *c) {
  const cn_ssim_args *o = c->args;
  cni_image m;
  if (!cni_image_take(c, 0, o->data_format, true, &m)) return cn_error_code(c->graph);
  if (c->x[0]->dtype != c->x[1]->dtype) return cn_fail(c->graph, CN_DTYPE, "image1 and image2 must have one dtype");
  if (cni_need_shape(c, 1, &c->x[0]->dims)) return CN_SHAPE;
  if (!(o->filter_sigma > 0)) return cn_fail(c->graph, CN_VALUE, "filter_sigma must be positive, got %g", o->filter_sigma);
  if ((m.h < o->filter_size && m.h != CN_UNKNOWN) || (m.w < o->filter_size && m.w != CN_UNKNOWN) || !m.c)
    return cn_fail(c->graph, CN_SHAPE, "images must be at least as large as filter_size, %lld", (long long)o->filter_size);
  c->sig[0] = (cn_sig){ (cn_dtype)c->x[0]->dtype, { c->x[0]->dims.rank - 3, { m.n } } };
  return CN_OK;
}
static void ssim_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_ssim_args *o = c->args;
  const cni_image m = cni_image_of(&c->x[0]->dims, o->data_format);
  const double c1 = o->k1 * o->max_val * o->k1 * o->max_val, c2 = o->k2 * o->max_val * o->k2 * o->max_val;
  const cn_ints all = CN_INTS(-3, -2, -1);
  cn_tensor *bell = cni_image_bell(g, (cn_dtype)c->x[0]->dtype, o->filter_size, o->filter_sigma), *x[4], *mean[4];
  for (int i = 0; i < 2; i++) x[i] = cni_image_batched(g, c->x[i], c->x[0]->dims.rank);
  x[2] = cn_multiply(g, x[0], x[1]);
  x[3] = cn_add(g, cn_square(g, x[0]), cn_square(g, x[1]));
  for (int i = 0; i < 4; i++) mean[i] = windowed(g, x[i], m.c, bell, bell, "valid", o->data_format);
  cn_tensor *product = cn_scale(g, cn_multiply(g, mean[0], mean[1]), 2), *squares = cn_add(g, cn_square(g, mean[0]), cn_square(g, mean[1]));
  cn_tensor *luminance = cn_divide(g, cn_shift(g, product, c1), cn_shift(g, squares, c1));
  cn_tensor *structure = cn_divide(g, cn_shift(g, cn_subtract(g, cn_scale(g, mean[2], 2), product), c2), cn_shift(g, cn_subtract(g, mean[3], squares), c2));
  cn_tensor *each = cn_mean(g, cn_multiply(g, luminance, structure), .axis = all);
  y[0] = each ? cni_to_shape(g, each, &c->sig[0].dims) : NULL;
}
/* At one place of one channel: means and covariances, then the ratio. */
static double naive_similarity(const cn_reference *r, const cni_image *m, int64_t n, int64_t h, int64_t w, int64_t ch) {
  const cn_ssim_args *o = r->call->args;
  double a = 0, b = 0, ab = 0, aa = 0, bb = 0;
  for (int64_t i = 0; i < o->filter_size * o->filter_size; i++) {
    const int64_t p = i / o->filter_size, q = i % o->filter_size, at = cni_pixel(m, n, h + p, w + q, ch);
    const double weight = cni_image_bell_at(o->filter_size, o->filter_sigma, p) * cni_image_bell_at(o->filter_size, o->filter_sigma, q), x = r->x[0][at],
                 y = r->x[1][at];
    a += weight * x, b += weight * y, ab += weight * x * y, aa += weight * x * x, bb += weight * y * y;
  }
  const double c1 = pow(o->k1 * o->max_val, 2), c2 = pow(o->k2 * o->max_val, 2);
  return (2 * a * b + c1) / (a * a + b * b + c1) * (2 * (ab - a * b) + c2) / (aa - a * a + bb - b * b + c2);
}
static void ssim_reference(const cn_reference *r) {
  const cn_ssim_args *o = r->call->args;
  const cni_image m = cni_image_of(&r->call->x[0]->dims, o->data_format);
  const int64_t rows = m.h - o->filter_size + 1, columns = m.w - o->filter_size + 1;
  for (int64_t n = 0; n < m.n; n++) {
    r->y[0][n] = 0;
    for (int64_t i = 0; i < rows * columns * m.c; i++)
      r->y[0][n] += naive_similarity(r, &m, n, i / m.c / columns, i / m.c % columns, i % m.c) / (double)(rows * columns * m.c);
  }
}
CN_OP(ssim, CN_LIST_SSIM, .outputs = 1, .infer = ssim_infer, .compose = ssim_compose, .reference = ssim_reference,
      .samples = CN_TEXTS("f[2,5,4,2]@0:1, f[2,5,4,2]@0:1, filter_size=3", "f[4,4,1]@0:255, f[4,4,1]@0:255, max_val=255, filter_size=4, filter_sigma=0.8",
                          "f[1,2,3,4]@0:1, f[1,2,3,4]@0:1, filter_size=2, k1=0.1, k2=0.2, data_format='channels_first'", "f[1,12,11,1]@0:1, f[1,12,11,1]@0:1",
                          "f[0,3,3,1], f[0,3,3,1], filter_size=3"),
      .rejects = CN_TEXTS("f[4,5], f[4,5] => image1 must have rank 3 or 4", "f[5,5,1], f[5,4,1], filter_size=3 => image2 must have shape [5,5,1], got [5,4,1]",
                          "f[5,5,1], f[5,5,1] => images must be at least as large as filter_size, 11",
                          "f[5,5,1], f[5,5,1], filter_size=0 => filter_size must be positive",
                          "f[5,5,1], f[5,5,1], filter_size=3, filter_sigma=0 => filter_sigma must be positive",
                          "i[5,5,1]@0:9, i[5,5,1]@0:9, filter_size=3 => float32 and float64"));

/* ---- extract_patches, extract_patches_3d ---- */
/* Both have the same args under other names. */
static cn_size as_size(cn_ints v, cn_ints otherwise) {
  cn_size s = { { 1, 0, 0 } };
  const cn_ints from = v.n < 0 ? otherwise : v;
  for (int64_t i = 0; i < from.n && i < 3; i++) s.d[i] = from.v[i];
  return s;
}
static bool positive(cn_ints v, int axes) {
  bool good = v.n < 0 || v.n == 1 || v.n == axes;
  for (int64_t i = 0; i < v.n; i++) good = good && v.v[i] > 0;
  return good;
}
static cni_window patches_window(const cn_extract_patches_args *o) {
  const cn_ints none = CN_NONE_INTS;
  return (cni_window){
    .strides = as_size(o->strides, o->size), .dilation_rate = as_size(o->dilation_rate, none), .padding = o->padding, .data_format = o->data_format
  };
}
/* The identity's shape: [size..., channels, numbers in a patch]. */
static cn_dims patch_dims(const cn_extract_patches_args *o, int axes, int64_t channels) {
  cn_dims k = { axes + 2, { 0 } };
  int64_t n = channels;
  for (int i = 0; i < axes; i++) k.d[i] = o->size.v[o->size.n == 1 ? 0 : i], n *= channels == CN_UNKNOWN ? 1 : k.d[i];
  k.d[axes] = channels, k.d[axes + 1] = n;
  return k;
}
static int64_t patch_channels(const cn_call *c, int axes) {
  const cn_dims *x = &c->x[0]->dims;
  const char *format = ((const cn_extract_patches_args *)c->args)->data_format;
  return x->d[cni_channels_first(format) ? x->rank - axes - 1 : x->rank - 1];
}
static int axes_of(const cn_call *c) { return c->op == &cn_op_extract_patches_3d || ((const cn_extract_patches_args *)c->args)->size.n == 3 ? 3 : 2; }
static cn_code patches_infer(const cn_call *c) {
  const cn_extract_patches_args *o = c->args;
  const int axes = axes_of(c), rank = c->x[0]->dims.rank;
  const cni_window window = patches_window(o);
  cn_dims batched = { axes + 2, { 1 } }, result;
  cni_geometry geometry;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (rank != axes + 1 && rank != axes + 2)
    return cn_fail(c->graph, CN_SHAPE, "%s must have rank %d or %d, got rank %d", c->op->schema.rows[0].name, axes + 1, axes + 2, rank);
  if (o->size.n < 1 || !positive(o->size, axes) || !positive(o->strides, axes) || !positive(o->dilation_rate, axes))
    return cn_fail(c->graph, CN_VALUE, "size, strides and dilation_rate must be 1 or %d positive numbers", axes);
  for (int i = 0; i < rank; i++) batched.d[axes + 2 - rank + i] = c->x[0]->dims.d[i];
  const cn_dims kernel = patch_dims(o, axes, patch_channels(c, axes));
  const cn_code code = cni_window_read(c->graph, &window, CNI_WINDOW_DIRECT, &batched, &kernel, &geometry, &result);
  if (code) return code;
  cni_sig_like(c, &c->x[0]->dims);
  for (int i = 0; i < rank; i++) c->sig[0].dims.d[i] = result.d[axes + 2 - rank + i];
  return CN_OK;
}
static void patches_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_extract_patches_args *o = c->args;
  const int axes = axes_of(c), lacks = axes + 2 - c->x[0]->dims.rank;
  const cni_window window = patches_window(o);
  const cn_dims kernel = patch_dims(o, axes, patch_channels(c, axes));
  const int64_t n = kernel.d[axes + 1];
  cn_tensor *identity = cni_to_shape(g, cn_eye(g, (cn_dtype)c->x[0]->dtype, n, n, 0), &kernel);
  y[0] = cn_conv(g, cni_image_batched(g, c->x[0], lacks ? 3 : 4), identity, .strides = window.strides, .padding = o->padding, .data_format = o->data_format,
                 .dilation_rate = window.dilation_rate);
  y[0] = cni_image_unbatched(g, y[0], lacks ? 3 : 4);
}
/* Element by element: which patch, and which of its numbers. */
static void patches_reference(const cn_reference *r) {
  const cn_extract_patches_args *o = r->call->args;
  const int axes = axes_of(r->call), rank = r->call->x[0]->dims.rank;
  const bool first = cni_channels_first(o->data_format), same = strcasecmp(o->padding, "same") == 0;
  const cn_dims *d = &r->call->x[0]->dims, *t = &r->call->y[0]->dims, kernel = patch_dims(o, axes, patch_channels(r->call, axes));
  const int from = rank - axes - (first ? 0 : 1), channel = first ? from - 1 : rank - 1;
  int64_t to[CN_MAX_RANK] = { 0 };
  for (int64_t i = 0; i < r->call->y[0]->count; i++, cni_next(t, to)) {
    int64_t at[CN_MAX_RANK] = { 0 }, number = to[channel];
    bool inside = true;
    if (rank == axes + 2) at[0] = to[0];
    at[channel] = number % kernel.d[axes];
    number /= kernel.d[axes];
    for (int k = axes - 1; k >= 0; number /= kernel.d[k], k--) {
      const int64_t stride = as_size(o->strides, o->size).d[o->strides.n < 0 ? (o->size.n == 1 ? 0 : k) : (o->strides.n == 1 ? 0 : k)],
                    dilation = o->dilation_rate.n < 0 ? 1 : o->dilation_rate.v[o->dilation_rate.n == 1 ? 0 : k];
      const int64_t n = d->d[from + k], lacks = (t->d[from + k] - 1) * stride + (kernel.d[k] - 1) * dilation + 1 - n;
      at[from + k] = to[from + k] * stride + number % kernel.d[k] * dilation - (same && lacks > 0 ? lacks / 2 : 0);
      inside = inside && at[from + k] >= 0 && at[from + k] < n;
    }
    r->y[0][i] = inside ? r->x[0][cni_flat(d, at)] : 0;
  }
}
CN_OP(extract_patches, CN_LIST_EXTRACT_PATCHES, .outputs = 1, .infer = patches_infer, .compose = patches_compose, .reference = patches_reference,
      .samples = CN_TEXTS("f[1,4,6,2], size=2", "f[5,5,1], size=[3,2], strides=1", "f[2,5,4,1], size=[3,2], strides=[2,1], padding='same'",
                          "f[1,2,4,5], size=2, strides=2, data_format='channels_first'", "f[1,6,6,1], size=[2,3], strides=1, dilation_rate=2",
                          "f[3,4,3,1], size=[2,2,1]", "f[4,3,1], size=1", "f[0,3,3,1], size=2"),
      .rejects = CN_TEXTS("f[4,5], size=2 => images must have rank 3 or 4, got rank 2",
                          "f[4,5,1] => size, strides and dilation_rate must be 1 or 2 positive numbers",
                          "f[4,5,1], size=[2,0] => must be 1 or 2 positive numbers", "f[4,5,1], size=2, padding='full' => padding",
                          "i[4,5,1]@0:9, size=2 => float32 and float64", "f[4,5,1], size=[2,2,2,2] => positive numbers", "f[2,2,1], size=3 => [1,2,2,1]"));
CN_OP(extract_patches_3d, CN_LIST_EXTRACT_PATCHES_3D, .outputs = 1, .infer = patches_infer, .compose = patches_compose, .reference = patches_reference,
      .samples = CN_TEXTS("f[1,2,4,4,2], size=2", "f[3,3,3,1], size=[2,1,2], strides=1", "f[1,3,3,2,1], size=2, strides=[1,2,1], padding='same'",
                          "f[1,2,2,3,2], size=[2,2,1], data_format='channels_first'"),
      .rejects = CN_TEXTS("f[4,5,1], size=2 => volumes must have rank 4 or 5, got rank 3", "f[4,5,3,1], size=[2,2] => must be 1 or 3 positive numbers",
                          "i[4,5,3,1]@0:9, size=2 => float32 and float64"));

const cn_op *const cni_ops_image_filter[] = { &cn_op_gaussian_blur, &cn_op_sobel_edges, &cn_op_ssim, &cn_op_extract_patches, &cn_op_extract_patches_3d, NULL };
