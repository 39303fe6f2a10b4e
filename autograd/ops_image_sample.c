/* Elements between elements, declared in ops_image.h: coordinates, projections, displacements. */
#include "ops_image_private.h"

static bool is(const char *text, const char *word) { return text && !strcmp(text, word); }
static cn_code refuse_choice(cn_graph *g, const char *option, const char *got) {
  return cn_fail(g, CN_VALUE, "%s \"%s\" is unknown", option, got ? got : "None");
}
static bool index_mode(const char *mode) {
  return is(mode, "constant") || is(mode, "nearest") || is(mode, "wrap") || is(mode, "mirror") || is(mode, "reflect");
}
static bool interpolation_known(const char *name) { return is(name, "bilinear") || is(name, "nearest"); }

/* ---- sampling in operations ---- */
/* Rows [N, c] that are read at `axes` coordinates, which broadcast to one shape [S]: row base + sum of index steps[k]. base: NULL for 0. */
typedef struct sampler {
  cn_tensor *rows, *base, *at[CN_MAX_RANK];
  int axes;
  int64_t sizes[CN_MAX_RANK], steps[CN_MAX_RANK];
  bool linear;
  const char *mode;
  double fill;
} sampler;

static cn_tensor *clipped(cn_graph *g, cn_tensor *i, int64_t n) { return i ? cn_minimum(g, cn_maximum(g, i, NUMBER(i, 0)), NUMBER(i, (double)n - 1)) : NULL; }
/* Indices of any size as ones of an axis of n elements. */
static cn_tensor *brought_inside(cn_graph *g, cn_tensor *i, int64_t n, const char *mode) {
  if (!i || n == 1 || is(mode, "constant") || is(mode, "nearest")) return clipped(g, i, n);
  if (is(mode, "wrap")) return cn_mod(g, i, NUMBER(i, (double)n));
  const double period = is(mode, "mirror") ? 2 * (double)n - 2 : 2 * (double)n, last = is(mode, "mirror") ? period : period - 1;
  cn_tensor *m = cn_mod(g, i, NUMBER(i, period));
  return m ? cn_minimum(g, m, cn_subtract(g, NUMBER(m, last), m)) : NULL;
}
/* Far places stay far, and are integers. */
static cn_tensor *as_index(cn_graph *g, cn_tensor *x) { return cn_cast(g, cn_clip(g, x, -1e9, 1e9), .dtype = "int64"); }
/* Halves away from 0. */
static cn_tensor *rounded(cn_graph *g, cn_tensor *x) { return cn_multiply(g, cn_sign(g, x), cn_floor(g, cn_shift(g, cn_abs(g, x), 0.5))); }

/* Row numbers [S] and weights [S] of one corner, and whether it lies inside. */
typedef struct corner { cn_tensor *row, *weight, *inside; } corner;
static corner corner_of(cn_graph *g, const sampler *s, int which) {
  corner k = { s->base, NULL, NULL };
  for (int a = 0; a < s->axes; a++) {
    cn_tensor *low = s->linear ? cn_floor(g, s->at[a]) : rounded(g, s->at[a]), *i = as_index(g, low);
    const bool upper = which >> a & 1;
    if (!i) return (corner){ NULL, NULL, NULL };
    if (upper) i = cn_add(g, i, NUMBER(i, 1));
    if (!i) return (corner){ NULL, NULL, NULL };
    if (is(s->mode, "constant")) {
      cn_tensor *in = cn_logical_and(g, cn_greater_equal(g, i, NUMBER(i, 0)), cn_less(g, i, NUMBER(i, (double)s->sizes[a])));
      k.inside = k.inside ? cn_logical_and(g, k.inside, in) : in;
    }
    i = brought_inside(g, i, s->sizes[a], s->mode);
    if (i && s->steps[a] != 1) i = cn_multiply(g, i, NUMBER(i, (double)s->steps[a]));
    k.row = k.row ? cn_add(g, k.row, i) : i;
    if (!s->linear) continue;
    cn_tensor *part = cn_subtract(g, s->at[a], low);
    if (!upper) part = cn_shift(g, cn_negative(g, part), 1);
    k.weight = k.weight ? cn_multiply(g, k.weight, part) : part;
  }
  return k;
}
/* [S, c] */
static cn_tensor *sampled(cn_graph *g, const sampler *s) {
  const cn_ints last = CN_INTS(-1);
  cn_tensor *sum = NULL;
  for (int which = 0; which < (s->linear ? 1 << s->axes : 1); which++) {
    const corner k = corner_of(g, s, which);
    cn_tensor *v = cn_take(g, s->rows, k.row, .axis = 0);
    if (!v) return NULL;
    if (v && k.inside) v = cn_where(g, cn_expand_dims(g, k.inside, .axis = last), v, NUMBER(v, s->fill));
    if (v && k.weight) v = cn_multiply(g, v, cn_expand_dims(g, cni_image_cast(g, k.weight, (cn_dtype)v->dtype), .axis = last));
    sum = sum ? cn_add(g, sum, v) : v;
  }
  return sum;
}

/* ---- and one number at a time, for references ---- */
static int64_t naive_index(int64_t i, int64_t n, const char *mode) { /* walks back step by step */
  const int64_t over = is(mode, "mirror") ? 2 * (n - 1) : 2 * n - 1;
  if (is(mode, "nearest") || n == 1) return i < 0 ? 0 : i >= n ? n - 1 : i;
  while (i < 0 || i >= n) {
    if (is(mode, "wrap")) i += i < 0 ? n : -n;
    else i = i < 0 ? (is(mode, "mirror") ? -i : -i - 1) : over - i;
  }
  return i;
}
static double naive_sample(const double *x, const cn_dims *d, const int64_t *steps, const double *at, bool linear, const char *mode, double fill) {
  double sum = 0;
  for (int which = 0; which < (linear ? 1 << d->rank : 1); which++) {
    double weight = 1;
    int64_t place = 0;
    bool inside = true;
    for (int a = 0; a < d->rank; a++) {
      const double low = linear ? floor(at[a]) : round(at[a]), part = at[a] - low;
      int64_t i = (int64_t)low + (which >> a & 1);
      if (linear) weight *= which >> a & 1 ? part : 1 - part;
      if (is(mode, "constant")) inside = inside && i >= 0 && i < d->d[a];
      else i = naive_index(i, d->d[a], mode);
      place += i * steps[a];
    }
    sum += weight * (inside ? x[place] : fill);
  }
  return sum;
}

/* ---- map_coordinates ---- */
static cn_code map_coordinates_infer(const cn_call *c) {
  const cn_map_coordinates_args *o = c->args;
  const cn_dims *x = &c->x[0]->dims, *at = &c->x[1]->dims;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (cni_is_float((cn_dtype)c->x[0]->dtype) && cni_is_float((cn_dtype)c->x[1]->dtype) && c->x[0]->dtype != c->x[1]->dtype)
    return cn_fail(c->graph, CN_DTYPE, "inputs and coordinates must have one dtype");
  if (!at->rank || (at->d[0] != x->rank && at->d[0] != CN_UNKNOWN))
    return cn_fail(c->graph, CN_SHAPE, "coordinates must have %d rows, one an axis of inputs", x->rank);
  if (!x->rank) return cn_fail(c->graph, CN_SHAPE, "inputs must have an axis");
  if (o->order != 0 && o->order != 1) return cn_fail(c->graph, CN_VALUE, "order must be 0 or 1, got %lld", (long long)o->order);
  if (!index_mode(o->fill_mode)) return refuse_choice(c->graph, "fill_mode", o->fill_mode);
  for (int i = 0; i < x->rank; i++)
    if (!x->d[i]) return cn_fail(c->graph, CN_SHAPE, "axis %d of inputs has no elements", i);
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  c->sig[0].dims.rank = at->rank - 1;
  for (int i = 1; i < at->rank; i++) c->sig[0].dims.d[i - 1] = at->d[i];
  return CN_OK;
}
static void map_coordinates_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_map_coordinates_args *o = c->args;
  const cn_dims *d = &c->x[0]->dims;
  const cn_dims column = { 2, { c->x[0]->count, 1 } };
  cn_tensor *x = cni_image_float(g, c->x[0]), *at = cni_image_float(g, c->x[1]);
  if (x && at && x->dtype != at->dtype) at = cni_image_cast(g, at, (cn_dtype)x->dtype);
  cn_tensor *const *each = cn_unstack(g, at);
  sampler s = { .rows = cni_to_shape(g, x, &column), .axes = d->rank, .linear = o->order == 1, .mode = o->fill_mode, .fill = o->fill_value };
  cni_strides(d, s.steps);
  for (int i = 0; i < d->rank; i++) s.at[i] = each[i], s.sizes[i] = d->d[i];
  cn_tensor *v = sampled(g, &s);
  if (v && !cni_is_float((cn_dtype)c->x[0]->dtype)) v = cni_image_cast(g, rounded(g, v), (cn_dtype)c->x[0]->dtype);
  y[0] = v ? cni_to_shape(g, v, &c->sig[0].dims) : NULL;
}
static void map_coordinates_reference(const cn_reference *r) {
  const cn_map_coordinates_args *o = r->call->args;
  const cn_dims *d = &r->call->x[0]->dims;
  int64_t steps[CN_MAX_RANK];
  cni_strides(d, steps);
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    double at[CN_MAX_RANK];
    for (int k = 0; k < d->rank; k++) at[k] = r->x[1][k * r->call->y[0]->count + i];
    const double v = naive_sample(r->x[0], d, steps, at, o->order == 1, o->fill_mode, o->fill_value);
    r->y[0][i] = cni_is_float((cn_dtype)r->call->y[0]->dtype) ? v : round(v);
  }
}
CN_OP(map_coordinates, CN_LIST_MAP_COORDINATES, .outputs = 1, .infer = map_coordinates_infer, .compose = map_coordinates_compose,
      .reference = map_coordinates_reference,
      .samples = CN_TEXTS("f[4,3], f[2,5]@-2:5, order=1", "f[4], f[1,9]@-3:7, order=1, fill_mode='constant', fill_value=1.5",
                          "f[4], f[1,9]@-9:12, order=1, fill_mode='nearest'", "f[4], f[1,9]@-9:12, order=1, fill_mode='wrap'",
                          "f[4], f[1,9]@-9:12, order=1, fill_mode='mirror'", "f[4], f[1,9]@-9:12, order=1, fill_mode='reflect'",
                          "f[3,4], f[2,2,3]@-4:6, order=0, fill_mode='reflect'", "f[3,4], f[2,7]@-4:6, order=0, fill_value=-1",
                          "f[2,3,2], f[3,4]@-1:3, order=1, fill_mode='nearest'", "f[1], f[1,3]@-4:4, order=1, fill_mode='mirror'", "f[3], f[1]@0:2, order=1",
                          "f[3], f[1,0], order=1", "i[5]@0:9, f[1,6]@-3:8, order=0, fill_mode='wrap'", "f[5], i[1,6]@-3:8, order=1, fill_mode='wrap'"),
      .rejects = CN_TEXTS("f[3,4], f[3,2], order=1 => coordinates must have 2 rows, one an axis of inputs",
                          "f[3], f[1,2], order=2 => order must be 0 or 1, got 2", "f[3], f[1,2] => order",
                          "f[3], f[1,2], order=1, fill_mode='edge' => fill_mode \"edge\" is unknown", "s[3], f[1,2], order=1 => string",
                          "f[3], s[1,2], order=1 => string", "f[], f[0,2], order=1 => inputs must have an axis",
                          "f[0], f[1,2], order=1 => axis 0 of inputs has no elements"));

/* ---- affine_transform ---- */
static cn_code projected_infer(const cn_call *c, const char *data_format, const char *interpolation, const char *mode, cni_image *m) {
  if (!cni_image_take(c, 0, data_format, false, m)) return cn_error_code(c->graph);
  if (!interpolation_known(interpolation)) return refuse_choice(c->graph, "interpolation", interpolation);
  if (!index_mode(mode)) return refuse_choice(c->graph, "fill_mode", mode);
  if (!m->h || !m->w) return cn_fail(c->graph, CN_SHAPE, "images have no pixels");
  return cni_sig_like(c, &c->x[0]->dims), CN_OK;
}
/* An input of `tail`'s shape, or of the batch's and then tail's. */
static cn_code per_image(const cn_call *c, int64_t input, const cni_image *m, const cn_dims *tail) {
  const cn_tensor *t = c->x[input];
  char got[160], want[160];
  const int more = t->dims.rank - tail->rank;
  bool fits = more == 0 || (more == 1 && c->x[0]->dims.rank == 4 && (t->dims.d[0] == m->n || t->dims.d[0] == CN_UNKNOWN || m->n == CN_UNKNOWN));
  for (int i = 0; fits && i < tail->rank; i++) fits = t->dims.d[more + i] == tail->d[i];
  if (fits) return CN_OK;
  return cn_fail(c->graph, CN_SHAPE, "%s must have shape %s, or one for each image, got %s", c->op->schema.rows[input].name,
                 cn_dims_text(tail, want, sizeof want), cn_dims_text(&t->dims, got, sizeof got));
}
static cn_code affine_transform_infer(const cn_call *c) {
  const cn_affine_transform_args *o = c->args;
  const cn_dims eight = { 1, { 8 } };
  cni_image m;
  if (is(o->fill_mode, "mirror")) return refuse_choice(c->graph, "fill_mode", o->fill_mode);
  const cn_code code = projected_infer(c, o->data_format, o->interpolation, o->fill_mode, &m);
  return code ? code : per_image(c, 1, &m, &eight);
}
/* Places along an axis of n pixels brought inside as TensorFlow's ImageProjectiveTransformV3 does, before anything is read: [-1/2, n - 1/2] reflected, wrapped
 * with the period n from n - 1 on, or cut. */
static cn_tensor *place_inside(cn_graph *g, cn_tensor *x, int64_t n, const char *mode) {
  const double size = (double)n, last = size - 1;
  if (!x || is(mode, "constant")) return x;
  if (is(mode, "reflect")) {
    cn_tensor *m = cn_mod(g, cn_shift(g, x, 0.5), NUMBER(x, 2 * size));
    x = m ? cn_shift(g, cn_minimum(g, m, cn_subtract(g, NUMBER(m, 2 * size), m)), -0.5) : NULL;
  }
  if (is(mode, "wrap") && n > 1) {
    cn_tensor *rounds = cn_trunc(g, cn_divide(g, cn_abs(g, x), NUMBER(x, last))), *low = cn_add(g, x, cn_scale(g, cn_shift(g, rounds, 1), size)),
              *high = cn_subtract(g, x, cn_scale(g, rounds, size));
    x = rounds ? cn_where(g, cn_less(g, x, NUMBER(x, 0)), low, cn_where(g, cn_greater(g, x, NUMBER(x, last)), high, x)) : NULL;
  }
  return cn_clip(g, x, 0, last);
}
static cn_tensor *line(cn_graph *g, cn_dtype dtype, int64_t n, int at) { /* 0 .. n - 1 along axis `at` of 3 */
  cn_dims d = { 3, { 1, 1, 1 } };
  d.d[at] = n;
  return cni_to_shape(g, cn_arange(g, dtype, 0, (double)n, 1), &d);
}
/* Images with channels last and a batch [n, h, w, c] read at y and x, which broadcast to [n, h, w]. */
static cn_tensor *read_images(cn_graph *g, cn_tensor *images, const cni_image *m, cn_tensor *y, cn_tensor *x, const char *interpolation, const char *mode,
                              double fill) {
  const cn_dims rows = { 2, { m->n * m->h * m->w, m->c } };
  sampler s = { .rows = cni_to_shape(g, images, &rows),
                .axes = 2,
                .at = { y, x },
                .sizes = { m->h, m->w },
                .steps = { m->w, 1 },
                .linear = is(interpolation, "bilinear"),
                .mode = mode,
                .fill = fill };
  const cn_dims batch = { 3, { m->n, 1, 1 } };
  s.base = cni_to_shape(g, cn_arange(g, CN_I64, 0, (double)(m->n * m->h * m->w), (double)(m->h * m->w)), &batch);
  return sampled(g, &s);
}
/* Floats, channels last, with a batch; and back to how c's images were. */
static cn_tensor *laid_out(cn_graph *g, const cn_call *c, const cni_image *m) {
  const cn_ints first = CN_INTS(-3), last = CN_INTS(-1);
  cn_tensor *x = cni_image_batched(g, cni_image_float(g, c->x[0]), c->x[0]->dims.rank);
  return m->ac < m->ah ? cn_moveaxis(g, x, .source = first, .destination = last) : x;
}
static cn_tensor *put_back(cn_graph *g, const cn_call *c, const cni_image *m, cn_tensor *y) {
  const cn_ints first = CN_INTS(-3), last = CN_INTS(-1);
  if (m->ac < m->ah) y = cn_moveaxis(g, y, .source = last, .destination = first);
  return cni_image_cast(g, cni_image_unbatched(g, y, c->x[0]->dims.rank), (cn_dtype)c->x[0]->dtype);
}
/* transform [8] or [n, 8], float64: places are computed so whatever the images' dtype. */
static cn_tensor *projected(cn_graph *g, const cn_call *c, const char *format, cn_tensor *transform, const char *interpolation, const char *mode, double fill) {
  const cni_image m = cni_image_of(&c->x[0]->dims, format);
  cn_tensor *images = laid_out(g, c, &m), *a[8];
  if (!images || !transform) return NULL;
  const cn_dims part = { 3, { transform->count / 8, 1, 1 } }, all = { 3, { m.n, m.h, m.w } };
  cn_tensor *const *parts = cn_unstack(g, transform, .axis = -1), *x = line(g, CN_F64, m.w, 2), *y = line(g, CN_F64, m.h, 1);
  for (int i = 0; i < 8; i++) a[i] = cni_to_shape(g, parts[i], &part);
  cn_tensor *k = cn_shift(g, cn_add(g, cn_multiply(g, a[6], x), cn_multiply(g, a[7], y)), 1);
  if (!k) return NULL;
  cn_tensor *none = cn_equal(g, k, NUMBER(k, 0)), *place[2];
  k = cn_where(g, none, NUMBER(k, 1), k);
  for (int i = 0; i < 2; i++) {
    cn_tensor *v = cn_add(g, cn_add(g, cn_multiply(g, a[3 * i], x), cn_multiply(g, a[3 * i + 1], y)), a[3 * i + 2]);
    place[i] = cni_spread(g, place_inside(g, cn_divide(g, v, k), i ? m.h : m.w, mode), &all);
  }
  cn_tensor *read = read_images(g, images, &m, place[1], place[0], interpolation, "constant", fill);
  if (!read) return NULL;
  const cn_ints last = CN_INTS(-1);
  return put_back(g, c, &m, cn_where(g, cn_expand_dims(g, cni_spread(g, none, &all), .axis = last), NUMBER(read, fill), read));
}
static void affine_transform_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_affine_transform_args *o = c->args;
  y[0] = projected(g, c, o->data_format, cni_image_cast(g, c->x[1], CN_F64), o->interpolation, o->fill_mode, o->fill_value);
}
/* As TensorFlow's kernel maps a place. */
static double naive_place(double x, int64_t n, const char *mode) {
  const double size = (double)n;
  if (is(mode, "constant")) return x;
  if (is(mode, "reflect") && n > 1) {
    if (x < 0) {
      if (x < 2 * size) x += 2 * size * floor(-x / (2 * size));
      x = x < -size ? x + 2 * size : -x - 1;
    } else if (x > size - 1) {
      x -= 2 * size * floor(x / (2 * size));
      if (x >= size) x = 2 * size - x - 1;
    }
  }
  if (is(mode, "wrap") && n > 1) {
    if (x < 0) x += size * (floor(-x / (size - 1)) + 1);
    else if (x > size - 1) x -= size * floor(x / (size - 1));
  }
  return x < 0 ? 0 : x > size - 1 ? size - 1 : x;
}
/* transform_of: the eight numbers of image n. */
static void naive_projected(const cn_reference *r, const char *format, void (*transform_of)(const cn_reference *r, int64_t n, double *a),
                            const char *interpolation, const char *mode, double fill) {
  const cni_image m = cni_image_of(&r->call->x[0]->dims, format);
  const cn_dims plane = { 2, { m.h, m.w } };
  const int64_t steps[2] = { m.sh, m.sw };
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const int64_t ch = i % m.c, w = i / m.c % m.w, h = i / m.c / m.w % m.h, n = i / m.c / m.w / m.h;
    double a[8];
    transform_of(r, n, a);
    const double x = (double)w, y = (double)h, k = a[6] * x + a[7] * y + 1;
    const double at[2] = { naive_place((a[3] * x + a[4] * y + a[5]) / k, m.h, mode), naive_place((a[0] * x + a[1] * y + a[2]) / k, m.w, mode) };
    const double v = k == 0 ? fill : naive_sample(r->x[0] + cni_pixel(&m, n, 0, 0, ch), &plane, steps, at, is(interpolation, "bilinear"), "constant", fill);
    r->y[0][cni_pixel(&m, n, h, w, ch)] = cni_is_float((cn_dtype)r->call->y[0]->dtype) ? v : trunc(v);
  }
}
static void naive_given(const cn_reference *r, int64_t n, double *a) {
  for (int64_t k = 0; k < 8; k++) a[k] = r->x[1][(r->call->x[1]->dims.rank == 2 ? 8 * n : 0) + k];
}
static void affine_transform_reference(const cn_reference *r) {
  const cn_affine_transform_args *o = r->call->args;
  naive_projected(r, o->data_format, naive_given, o->interpolation, o->fill_mode, o->fill_value);
}
CN_OP(affine_transform, CN_LIST_AFFINE, .outputs = 1, .infer = affine_transform_infer, .compose = affine_transform_compose,
      .reference = affine_transform_reference,
      .samples = CN_TEXTS("f[4,5,2], f[8]@0.05:0.6", "f[2,4,3,1], f[2,8]@0.05:0.15, fill_mode='nearest'",
                          "f[2,4,5,1], f[8]@0.1:0.8, interpolation='nearest', fill_value=3", "f[1,4,5,2], f[1,8]@0.1:1.4, fill_mode='reflect'",
                          "f[1,5,4,1], f[8]@0.1:1.4, fill_mode='wrap'", "f[1,2,3,4], f[8]@0.05:0.9, data_format='channels_first', fill_value=-1",
                          "f[1,3,4,1], f[8]@0.4:1, interpolation='nearest', fill_mode='wrap'", "f[0,3,4,1], f[8]@0:1",
                          "f[3,4,1], f[8]@0.3:0.9, interpolation='nearest', fill_mode='reflect'", "f[1,1,3,1], f[8]@0.1:1.4, fill_mode='wrap'",
                          "i[1,3,4,1]@0:9, i[8]@0:1, interpolation='nearest'"),
      .rejects = CN_TEXTS("f[4,5], f[8] => images must have rank 3 or 4, got rank 2",
                          "f[4,5,1], f[6] => transform must have shape [8], or one for each image, got [6]",
                          "f[2,4,5,1], f[3,8] => transform must have shape [8]", "f[4,5,1], f[1,8] => transform must have shape [8]",
                          "f[4,5,1], f[8], interpolation='bicubic' => interpolation \"bicubic\" is unknown",
                          "f[4,5,1], f[8], fill_mode='mirror' => fill_mode \"mirror\" is unknown", "f[4,5,1], s[8] => string",
                          "f[0,5,1], f[8] => images have no pixels"));

/* ---- perspective_transform ---- */
static cn_code perspective_transform_infer(const cn_call *c) {
  const cn_perspective_transform_args *o = c->args;
  const cn_dims points = { 2, { 4, 2 } };
  cni_image m;
  cn_code code = projected_infer(c, o->data_format, o->interpolation, "constant", &m);
  for (int i = 1; i <= 2 && !code; i++) code = per_image(c, i, &m, &points);
  if (!code && c->x[1]->dims.rank != c->x[2]->dims.rank) return cn_fail(c->graph, CN_SHAPE, "start_points and end_points must have one shape");
  return code;
}
/* [..., 8] that takes the points `to` to the points `from`: rows x', y', 1, 0, 0, 0, -x x', -x y' = x and 0, 0, 0, x', y', 1, -y x', -y y' = y of each pair. */
static cn_tensor *projection(cn_graph *g, cn_tensor *from, cn_tensor *to) {
  if (!from || !to) return NULL;
  const cn_ints last = CN_INTS(-1);
  cn_tensor *const *f = cn_split(g, from, .indices_or_sections = CN_INTS(2), .axis = -1), *const *t =
                                                                                              cn_split(g, to, .indices_or_sections = CN_INTS(2), .axis = -1);
  cn_tensor *one = cn_ones_like(g, t[0]), *none = cn_zeros_like(g, t[0]), *rows[2];
  for (int i = 0; i < 2; i++) {
    cn_tensor *x = cn_negative(g, cn_multiply(g, f[i], t[0])), *y = cn_negative(g, cn_multiply(g, f[i], t[1]));
    rows[i] = i ? cn_concatenate(g, CN_TENSORS(none, none, none, t[0], t[1], one, x, y), .axis = -1)
                : cn_concatenate(g, CN_TENSORS(t[0], t[1], one, none, none, none, x, y), .axis = -1);
  }
  cn_tensor *right = cn_concatenate(g, CN_TENSORS(f[0], f[1]), .axis = -2);
  return cn_squeeze(g, cn_solve(g, cn_concatenate(g, CN_TENSORS(rows[0], rows[1]), .axis = -2), right), .axis = last);
}
static void perspective_transform_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_perspective_transform_args *o = c->args;
  y[0] = projected(g, c, o->data_format, projection(g, cni_image_cast(g, c->x[1], CN_F64), cni_image_cast(g, c->x[2], CN_F64)), o->interpolation, "constant",
                   o->fill_value);
}
/* Gauss-Jordan elimination with exchanges, on [8][9]. */
static void naive_solve(double a[8][9], double *x) {
  for (int k = 0; k < 8; k++) {
    int pivot = k;
    for (int i = k; i < 8; i++) pivot = fabs(a[i][k]) > fabs(a[pivot][k]) ? i : pivot;
    for (int j = 0; j < 9; j++) {
      const double t = a[k][j];
      a[k][j] = a[pivot][j], a[pivot][j] = t;
    }
    for (int i = 0; i < 8; i++) {
      const double f = i == k ? 0 : a[i][k] / a[k][k];
      for (int j = 0; j < 9; j++) a[i][j] -= f * a[k][j];
    }
  }
  for (int k = 0; k < 8; k++) x[k] = a[k][8] / a[k][k];
}
static void naive_projection(const cn_reference *r, int64_t n, double *x) {
  double a[8][9] = { { 0 } };
  for (int p = 0; p < 4; p++) {
    const int64_t at = (r->call->x[1]->dims.rank == 3 ? 8 * n : 0) + 2 * p;
    const double *to = r->x[2] + at, *from = r->x[1] + at;
    for (int i = 0; i < 2; i++) {
      double *row = a[2 * p + i];
      row[3 * i] = to[0], row[3 * i + 1] = to[1], row[3 * i + 2] = 1, row[6] = -from[i] * to[0], row[7] = -from[i] * to[1], row[8] = from[i];
    }
  }
  naive_solve(a, x);
}
static void perspective_transform_reference(const cn_reference *r) {
  const cn_perspective_transform_args *o = r->call->args;
  naive_projected(r, o->data_format, naive_projection, o->interpolation, "constant", o->fill_value);
}
CN_OP(perspective_transform, CN_LIST_PERSPECTIVE, .outputs = 1, .infer = perspective_transform_infer, .compose = perspective_transform_compose,
      .reference = perspective_transform_reference,
      .samples = CN_TEXTS("f[4,5,2], f[4,2]@distinct@0:4, f[4,2]@distinct@0:4", "f[2,3,4,1], f[2,4,2]@distinct@0:9, f[2,4,2]@distinct@0:9, fill_value=2",
                          "f[1,2,3,4], f[4,2]@distinct@0:4, f[4,2]@distinct@0:4, data_format='channels_first'",
                          "f[0,3,4,1], f[4,2]@distinct@0:4, f[4,2]@distinct@0:4"),
      .rejects = CN_TEXTS("f[4,5,1], f[3,2], f[4,2] => start_points must have shape [4,2], or one for each image, got [3,2]",
                          "f[4,5,1], f[4,2], f[4,3] => end_points must have shape [4,2]", "f[2,4,5,1], f[4,2], f[2,4,2] => must have one shape",
                          "f[4,5,1], f[4,2], f[4,2], interpolation='area' => interpolation \"area\" is unknown",
                          "f[4], f[4,2], f[4,2] => images must have rank 3 or 4"));

/* ---- elastic_transform ---- */
static cn_code elastic_transform_infer(const cn_call *c) {
  const cn_elastic_transform_args *o = c->args;
  cni_image m;
  if (!(o->sigma > 0)) return cn_fail(c->graph, CN_VALUE, "sigma must be positive, got %g", o->sigma);
  return projected_infer(c, o->data_format, o->interpolation, o->fill_mode, &m);
}
static int64_t blur_size(double sigma) { return (int64_t)(6 * sigma) | 1; }
static void elastic_transform_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_elastic_transform_args *o = c->args;
  const cni_image m = cni_image_of(&c->x[0]->dims, o->data_format);
  cn_tensor *images = laid_out(g, c, &m), *place[2] = { NULL, NULL };
  if (!images) return;
  const cn_dtype dtype = (cn_dtype)images->dtype;
  const int64_t size = blur_size(o->sigma);
  const cn_dims all = { 3, { m.n, m.h, m.w } };
  cn_tensor *noise = cn_random_normal(g, .shape = CN_INTS(2 * m.n, m.h, m.w, 1), .dtype = "float64", .seed = o->seed, .stream = o->stream);
  cn_tensor *moved = cn_scale(
      g, cn_gaussian_blur(g, cni_image_cast(g, noise, dtype), .kernel_size = CN_INTS(size, size), .sigma = CN_REALS(o->sigma, o->sigma)), o->alpha * o->sigma);
  cn_tensor *const *by = cn_split(g, moved, .indices_or_sections = CN_INTS(2)); /* x, y */
  for (int i = 0; i < 2; i++) place[i] = cn_add(g, cni_to_shape(g, by[i], &all), line(g, dtype, i ? m.h : m.w, i ? 1 : 2));
  cn_tensor *read = read_images(g, images, &m, place[1], place[0], o->interpolation, o->fill_mode, o->fill_value);
  y[0] = read ? put_back(g, c, &m, read) : NULL;
}
static double naive_noise(int64_t seed, int64_t i) {
  cn_stream one = { (uint64_t)seed, (uint64_t)i };
  double v;
  cn_random_fill_normal(&one, CN_F64, &v, 1, 0, 1);
  return v;
}
/* The displacement of pixel (h, w): the plane's noise times alpha sigma, blurred. */
static double naive_moved(const cn_elastic_transform_args *o, const cni_image *m, int64_t plane, int64_t h, int64_t w) {
  const int64_t size = blur_size(o->sigma);
  double sum = 0;
  for (int64_t i = 0; i < m->h; i++)
    for (int64_t j = 0; j < m->w; j++) {
      const int64_t a = i - h + size / 2, b = j - w + size / 2;
      if (a >= 0 && a < size && b >= 0 && b < size)
        sum += naive_noise(o->seed, (plane * m->h + i) * m->w + j) * cni_image_bell_at(size, o->sigma, a) * cni_image_bell_at(size, o->sigma, b);
    }
  return sum * o->alpha * o->sigma;
}
static void elastic_transform_reference(const cn_reference *r) {
  const cn_elastic_transform_args *o = r->call->args;
  const cni_image m = cni_image_of(&r->call->x[0]->dims, o->data_format);
  const cn_dims plane = { 2, { m.h, m.w } };
  const int64_t steps[2] = { m.sh, m.sw };
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const int64_t ch = i % m.c, w = i / m.c % m.w, h = i / m.c / m.w % m.h, n = i / m.c / m.w / m.h;
    const double at[2] = { (double)h + naive_moved(o, &m, m.n + n, h, w), (double)w + naive_moved(o, &m, n, h, w) };
    const double v = naive_sample(r->x[0] + cni_pixel(&m, n, 0, 0, ch), &plane, steps, at, is(o->interpolation, "bilinear"), o->fill_mode, o->fill_value);
    r->y[0][cni_pixel(&m, n, h, w, ch)] = v;
  }
}
CN_OP(elastic_transform, CN_LIST_ELASTIC, .outputs = 1, .flags = CN_OP_RANDOM, .infer = elastic_transform_infer, .compose = elastic_transform_compose,
      .reference = elastic_transform_reference,
      .samples = CN_TEXTS("f[4,5,2], alpha=2, sigma=0.6, seed=3", "f[2,3,4,1], alpha=1.5, sigma=1, fill_mode='constant', fill_value=2, seed=5",
                          "f[1,2,4,3], alpha=3, sigma=0.5, fill_mode='wrap', data_format='channels_first', seed=7",
                          "f[1,4,4,1], alpha=2, sigma=0.7, interpolation='nearest', fill_mode='nearest', seed=1",
                          "f[1,3,4,1], seed=2, fill_mode='mirror', sigma=0.4"),
      .rejects = CN_TEXTS("f[4,5,1], sigma=0, seed=1 => sigma must be positive, got 0", "f[4,5,1], fill_mode='edge', seed=1 => fill_mode \"edge\" is unknown",
                          "f[4,5], seed=1 => images must have rank 3 or 4", "f[4,5,1], interpolation='cubic', seed=1 => interpolation \"cubic\" is unknown"));

const cn_op *const cni_ops_image_sample[] = { &cn_op_map_coordinates, &cn_op_affine_transform, &cn_op_perspective_transform, &cn_op_elastic_transform, NULL };
