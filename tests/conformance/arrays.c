/* Arrays of the cases: to tensors, and compared with tensors. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "runner.h"

double number_of(const json_t *v) {
  if (json_is_number(v)) return json_number_value(v);
  if (json_is_boolean(v)) return json_is_true(v);
  const char *s = json_string_value(v);
  if (!s) return NAN;
  return !strcmp(s, "inf") ? INFINITY : !strcmp(s, "-inf") ? -INFINITY : NAN;
}

const char *text_of(const json_t *object, const char *key) {
  const char *s = json_string_value(json_object_get(object, key));
  return s ? s : "";
}
bool is_null(const json_t *object, const char *key) {
  const json_t *v = json_object_get(object, key);
  return !v || json_is_null(v);
}

bool dims_from(const json_t *shape, cn_dims *out) {
  if (!json_is_array(shape) || json_array_size(shape) > CN_MAX_RANK) return false;
  out->rank = (int)json_array_size(shape);
  for (int i = 0; i < out->rank; i++) {
    const json_t *d = json_array_get(shape, (size_t)i);
    out->d[i] = json_is_null(d) ? CN_UNKNOWN : json_integer_value(d);
  }
  return true;
}

static cn_tensor *strings_from(run *r, const cn_dims *dims, const json_t *data) {
  const size_t n = json_array_size(data);
  const char **texts = calloc(n + 1, sizeof *texts);
  for (size_t i = 0; i < n; i++) texts[i] = json_string_value(json_array_get(data, i));
  cn_tensor *t = cn_string_array(r->g, dims, texts);
  free(texts);
  return t;
}

cn_tensor *tensor_from(run *r, const json_t *array) {
  cn_dims dims;
  cn_dtype dtype;
  const char *name = text_of(array, "dtype");
  if (!json_is_object(array) || !dims_from(json_object_get(array, "shape"), &dims)) return NULL;
  const json_t *data = json_object_get(array, "data"), *fill = json_object_get(array, "fill");
  if (!strcmp(name, "uint32") || !strcmp(name, "int16") || !strcmp(name, "int8") || !strcmp(name, "uint16")) name = "int64";
  if (!cn_dtype_from_name(name, &dtype)) return fail(r, "dtype %s", name), NULL;
  if (dtype == CN_STRING) return strings_from(r, &dims, data);
  if (dtype == CN_F64) dtype = r->real;
  cn_tensor *t = cn_full(r->g, dtype, &dims, fill ? number_of(fill) : 0);
  for (int64_t i = 0; t && data && i < t->count; i++) {
    const json_t *v = json_array_get(data, (size_t)i);
    if (dtype == CN_I64 && json_is_integer(v)) ((int64_t *)t->data)[i] = json_integer_value(v);
    else cni_value_set(t, i, r->rounded ? (double)(float)number_of(v) : number_of(v));
  }
  return t;
}

double largest_of(const json_t *arrays) {
  double most = 0;
  size_t i, k;
  const json_t *a, *v;
  json_array_foreach(arrays, i, a) json_array_foreach(json_object_get(a, "data"), k, v) {
    const double x = fabs(number_of(v));
    if (isfinite(x) && x > most) most = x;
  }
  return most;
}

static bool is_float_name(const char *name) { return !strncmp(name, "float", 5); }

/* Element i, compared. */
static bool close_enough(const run *r, double got, double want, double largest, bool exact) {
  if (isinf(r->rtol)) return true; /* the numbers do not fit the type */
  if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
  if (!isfinite(want) || !isfinite(got)) return got == want;
  if (exact) return got == want;
  const double off = fabs(got - want);
  return off <= r->atol + r->rtol * (r->per_element ? fabs(want) : largest) || off < 1e-14;
}

bool same_scaled(run *r, const char *what, const cn_tensor *got, const json_t *want, double largest) {
  cn_dims dims;
  char a[160], b[160];
  if (!json_is_object(want)) return true;
  if (!dims_from(json_object_get(want, "shape"), &dims)) return fail(r, "%s: bad case", what);
  if (got && !cn_dims_equal(&got->dims, &dims))
    return fail(r, "%s: shape %s, wanted %s", what, cn_dims_text(&got->dims, a, sizeof a), cn_dims_text(&dims, b, sizeof b));
  const json_t *data = json_object_get(want, "data"), *fill = json_object_get(want, "fill");
  const bool exact = !is_float_name(text_of(want, "dtype"));
  const int64_t n = cn_dims_count(&dims);
  int64_t worst = -1;
  double worst_off = -1;
  for (int64_t i = 0; i < (dims.rank ? n : 1); i++) {
    const double w = number_of(data ? json_array_get(data, (size_t)i) : fill), g = got ? cn_at(got, i) : 0;
    if (close_enough(r, g, w, largest, exact)) continue;
    const double off = isfinite(g) && isfinite(w) ? fabs(g - w) : INFINITY;
    if (off > worst_off) worst = i, worst_off = off;
  }
  if (worst < 0) return true;
  return fail(r, "%s: element %lld is %.9g, wanted %.9g", what, (long long)worst, got ? cn_at(got, worst) : 0,
              number_of(data ? json_array_get(data, (size_t)worst) : fill));
}

bool same(run *r, const char *what, const cn_tensor *got, const json_t *want) {
  json_t *list = json_pack("[O]", want);
  double largest = fmax(r->scale, largest_of(list));
  json_decref(list);
  const json_t *fill = json_object_get(want, "fill");
  if (fill && isfinite(number_of(fill))) largest = fmax(largest, fabs(number_of(fill)));
  return same_scaled(r, what, got, want, largest);
}

bool same_number(run *r, const char *what, double got, const json_t *want) {
  const double w = number_of(want);
  return close_enough(r, got, w, fmax(r->scale, fabs(w)), false) || fail(r, "%s is %.9g, wanted %.9g", what, got, w);
}

cn_tensor *total_of(run *r, cn_tensor *const *outputs, int64_t n, const json_t *cotangents, cn_tensor *extra) {
  cn_tensor *total = extra;
  for (int64_t i = 0; i < n; i++) {
    cn_tensor *c = tensor_from(r, json_array_get(cotangents, (size_t)i));
    if (!c || !outputs[i] || !cni_is_float((cn_dtype)outputs[i]->dtype)) continue;
    cn_tensor *part = cn_sum(r->g, cn_multiply(r->g, outputs[i], c));
    total = total ? cn_add(r->g, total, part) : part;
  }
  return total;
}
