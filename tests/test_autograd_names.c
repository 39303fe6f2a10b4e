/* What the sweep's samples do not hold: NaN and infinities, empty segments, integers beyond 2^53, integers out of floats. */
#include <float.h>
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 3); }
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(autograd_names, .init = begin, .fini = end);

#define DOUBLES(dims, ...) cn_array_from_doubles(g, CN_F64, dims, (const double[]){ __VA_ARGS__ })
#define CHECK_GRADIENT(y, x, wanted_dims, ...)                                                \
  do {                                                                                        \
    cn_tensor *target_ = (x), *dx_ = NULL;                                                    \
    cr_assert(cn_gradients(g, (y), CN_NO_TENSOR, &target_, 1, false, &dx_), "%s", cn_error(g)); \
    CHECK_TENSOR(dx_, wanted_dims, 1e-12, __VA_ARGS__);                                       \
  } while (0)

Test(autograd_names, empty_segments) {
  cn_tensor *x = cn_watch(DOUBLES(CN_DIMS(4), 3, -1, 4, 4)), *ids = INTEGERS(g, CN_DIMS(4), 0, -1, 2, 2);
  CHECK_TENSOR(cn_segment_sum(g, x, ids, .num_segments = 4), CN_DIMS(4), 0, 3, 0, 8, 0);
  CHECK_TENSOR(cn_segment_prod(g, x, ids, .num_segments = 4), CN_DIMS(4), 0, 3, 1, 16, 1);
  cn_tensor *most = cn_segment_max(g, x, ids, .num_segments = 4), *least = cn_segment_min(g, x, ids);
  CHECK_TENSOR(most, CN_DIMS(4), 0, 3, -1.7976931348623157e308, 4, -1.7976931348623157e308);
  CHECK_TENSOR(least, CN_DIMS(3), 0, 3, 1.7976931348623157e308, 4);
  CHECK_GRADIENT(cn_sum(g, cn_take_rows(g, most, INTEGERS(g, CN_DIMS(2), 0, 2))), x, CN_DIMS(4), 1, 0, 0.5, 0.5);
}

Test(autograd_names, integers_stay_exact) {
  const int64_t large[] = { INT64_C(9007199254740993), 5 }, more[] = { 2, INT64_C(9007199254740992) };
  cn_tensor *x = cn_array(g, CN_I64, CN_DIMS(2), large), *u = cn_array(g, CN_I64, CN_DIMS(2), more), *first = INTEGERS(g, CN_DIMS(2, 1), 0, 0);
  const int64_t *sum = cn_data(cn_scatter_update(g, x, first, u, .reduction = "add")), *most = cn_data(cn_scatter_update(g, x, first, u, .reduction = "max"));
  cr_assert_eq(sum[0], INT64_C(18014398509481987));
  cr_assert_eq(most[0], INT64_C(9007199254740993));
  cr_assert_eq(sum[1], 5);
  const int64_t *twice = cn_data(cn_bincount(g, INTEGERS(g, CN_DIMS(2), 1, 1), x));
  cr_assert_eq(twice[1], INT64_C(9007199254740998));
  CHECK_TENSOR(cn_searchsorted(g, cn_array(g, CN_I64, CN_DIMS(1), &large[0]), cn_array(g, CN_I64, CN_DIMS(1), &more[1]), .side = "right"), CN_DIMS(1), 0, 0);
}

Test(autograd_names, nan_is_left_out) {
  cn_tensor *x = cn_watch(DOUBLES(CN_DIMS(2, 3), 1, NAN, 3, NAN, 2, 6));
  const cn_ints last = CN_INTS(1);
  CHECK_TENSOR(cn_nansum(g, x, .axis = last), CN_DIMS(2), 0, 4, 8);
  CHECK_TENSOR(cn_nanprod(g, x), CN_SCALAR, 0, 36);
  CHECK_TENSOR(cn_nanmean(g, x, .axis = last, .keepdims = true), CN_DIMS(2, 1), 0, 2, 4);
  CHECK_TENSOR(cn_nanvar(g, x, .axis = last), CN_DIMS(2), 0, 1, 4);
  CHECK_TENSOR(cn_nanstd(g, x, .axis = last), CN_DIMS(2), 0, 1, 2);
  CHECK_TENSOR(cn_nanmax(g, x, .axis = last), CN_DIMS(2), 0, 3, 6);
  CHECK_TENSOR(cn_nanmin(g, x), CN_SCALAR, 0, 1);
  CHECK_GRADIENT(cn_sum(g, cn_nanvar(g, x, .axis = last)), x, CN_DIMS(2, 3), -1, 0, 1, 0, -2, 2);
  CHECK_GRADIENT(cn_sum(g, cn_nanmean(g, x, .axis = last)), x, CN_DIMS(2, 3), 0.5, 0, 0.5, 0, 0.5, 0.5);
  CHECK_GRADIENT(cn_nanmax(g, x), x, CN_DIMS(2, 3), 0, 0, 0, 0, 0, 1);
}

/* The clip of probabilities does not hide it. */
Test(autograd_names, nan_passes_through_losses) {
  cn_tensor *p = FLOATS(g, CN_DIMS(2, 2), 0.5, NAN, 0.25, 0.75), *t = FLOATS(g, CN_DIMS(2, 2), 0, 1, 1, 0), *labels = INTEGERS(g, CN_DIMS(2), 1, 0);
  cn_tensor *losses[] = { cn_binary_crossentropy(g, t, p), cn_categorical_crossentropy(g, t, p), cn_sparse_categorical_crossentropy(g, labels, p) };
  for (int i = 0; i < 3; i++) {
    cr_assert(losses[i], "%s", cn_error(g));
    cr_assert(isnan(cn_at(losses[i], i ? 0 : 1)) && isfinite(cn_at(losses[i], cn_count(losses[i]) - 1)), "loss %d", i);
  }
}

Test(autograd_names, nothing_but_nan) {
  cn_tensor *x = DOUBLES(CN_DIMS(2), NAN, NAN);
  cr_assert_eq(cn_item(cn_nansum(g, x)), 0);
  cr_assert_eq(cn_item(cn_nanprod(g, x)), 1);
  cn_tensor *const undefined[] = { cn_nanmean(g, x), cn_nanvar(g, x), cn_nanstd(g, x), cn_nanmax(g, x), cn_nanmin(g, x) };
  for (size_t i = 0; i < sizeof undefined / sizeof *undefined; i++) cr_assert(isnan(cn_item(undefined[i])), "%d", (int)i);
  cr_assert(isnan(cn_item(cn_nanvar(g, DOUBLES(CN_DIMS(3), 1, INFINITY, NAN)))));
}

Test(autograd_names, closeness) {
  cn_tensor *a = DOUBLES(CN_DIMS(7), 1, 1, INFINITY, -INFINITY, NAN, INFINITY, 5),
            *b = DOUBLES(CN_DIMS(7), 1.000001, 1.1, INFINITY, INFINITY, NAN, 1, INFINITY);
  CHECK_TENSOR(cn_isclose(g, a, b), CN_DIMS(7), 0, 1, 0, 1, 0, 0, 0, 0);
  CHECK_TENSOR(cn_isclose(g, a, b, .atol = 0.2, .equal_nan = true), CN_DIMS(7), 0, 1, 1, 1, 0, 1, 0, 0);
  CHECK_TENSOR(cn_allclose(g, a, a), CN_SCALAR, 0, 0);
  CHECK_TENSOR(cn_allclose(g, a, a, .equal_nan = true), CN_SCALAR, 0, 1);
  CHECK_TENSOR(cn_isclose(g, INTEGERS(g, CN_DIMS(2), 3, 4), INTEGERS(g, CN_DIMS(2), 3, 5)), CN_DIMS(2), 0, 1, 0);
}

Test(autograd_names, without_nan_and_infinities) {
  cn_tensor *x = cn_watch(DOUBLES(CN_DIMS(4), NAN, INFINITY, -INFINITY, 3)), *y = cn_nan_to_num(g, x, .nan = 5, .posinf = 6, .neginf = 7);
  CHECK_TENSOR(y, CN_DIMS(4), 0, 5, 6, 7, 3);
  CHECK_GRADIENT(cn_sum(g, y), x, CN_DIMS(4), 0, 0, 0, 1);
  CHECK_TENSOR(cn_isfinite(g, x), CN_DIMS(4), 0, 0, 0, 0, 1);
  CHECK_TENSOR(cn_isinf(g, x), CN_DIMS(4), 0, 0, 1, 1, 0);
  CHECK_TENSOR(cn_logical_or(g, x, cn_zeros_like(g, x)), CN_DIMS(4), 0, 1, 1, 1, 1);
}

Test(autograd_names, signs_and_steps) {
  CHECK_TENSOR(cn_signbit(g, DOUBLES(CN_DIMS(4), 0, -0.0, -INFINITY, 2)), CN_DIMS(4), 0, 0, 1, 1, 0);
  cn_tensor *a = DOUBLES(CN_DIMS(3), -1, 0, 2), *b = cn_watch(DOUBLES(CN_DIMS(3), 5, 6, 7)), *y = cn_heaviside(g, a, b);
  CHECK_TENSOR(y, CN_DIMS(3), 0, 0, 6, 1);
  CHECK_GRADIENT(cn_sum(g, y), b, CN_DIMS(3), 0, 1, 0);
  cr_assert(isnan(cn_item(cn_heaviside(g, cn_scalar(g, NAN), cn_scalar(g, 1)))));
}

Test(autograd_names, powers_at_zero) {
  cn_tensor *x = cn_watch(DOUBLES(CN_DIMS(2), 0, 2)), *y = cn_vander(g, x, .N = 3);
  CHECK_TENSOR(y, CN_DIMS(2, 3), 0, 0, 0, 1, 4, 2, 1);
  CHECK_GRADIENT(cn_sum(g, y), x, CN_DIMS(2), 1, 5);
}

Test(autograd_names, spaced_integers_are_rounded_down) {
  const cn_linspace_args down = { .start = cn_scalar(g, 0), .stop = cn_scalar(g, -5), .num = 4, .endpoint = true, .dtype = "int32", .axis = 0 };
  cn_tensor *y = cn_apply(g, cn_op_find("linspace"), &down)[0];
  CHECK_TENSOR(y, CN_DIMS(4), 0, 0, -2, -4, -5);
  cr_assert_eq(cn_dtype_of(y), CN_I32);
  cn_linspace_args one = down;
  one.num = 1, one.dtype = NULL, one.retstep = true;
  cn_tensor *const *both = cn_apply(g, cn_op_find("linspace"), &one);
  CHECK_TENSOR(both[0], CN_DIMS(1), 0, 0);
  cr_assert(isnan(cn_item(both[1])));
  CHECK_TENSOR(cn_logspace(g, cn_scalar(g, 0), cn_scalar(g, 3), .num = 4, .dtype = "int32"), CN_DIMS(4), 0, 1, 10, 100, 1000);
}

Test(autograd_names, nan_is_searched_at_the_end) {
  cn_tensor *s = DOUBLES(CN_DIMS(4), 1, 2, 2, NAN), *v = DOUBLES(CN_DIMS(3), 2, NAN, -INFINITY);
  CHECK_TENSOR(cn_searchsorted(g, s, v), CN_DIMS(3), 0, 1, 3, 0);
  CHECK_TENSOR(cn_searchsorted(g, s, v, .side = "right"), CN_DIMS(3), 0, 3, 4, 0);
  CHECK_TENSOR(cn_digitize(g, v, s), CN_DIMS(3), 0, 3, 4, 0);
}

Test(autograd_names, arguments_without_nan) {
  cn_tensor *x = DOUBLES(CN_DIMS(3, 2), NAN, 1, NAN, NAN, 5, -INFINITY);
  CHECK_TENSOR(cn_nanargmax(g, x, .axis = 1), CN_DIMS(3), 0, 1, -1, 0);
  CHECK_TENSOR(cn_nanargmin(g, x, .axis = 0), CN_DIMS(2), 0, 2, 2);
  CHECK_TENSOR(cn_nancumsum(g, DOUBLES(CN_DIMS(4), 1, NAN, 2, NAN)), CN_DIMS(4), 0, 1, 1, 3, 3);
  CHECK_TENSOR(cn_nancumprod(g, DOUBLES(CN_DIMS(4), NAN, 3, 2, NAN)), CN_DIMS(4), 0, 1, 3, 6, 6);
}

Test(autograd_names, extreme_integers) {
  const int64_t a[] = { INT64_MIN, INT64_C(9007199254740993) * 3 }, b[] = { 6, INT64_C(9007199254740993) };
  const int64_t *y = cn_data(cn_gcd(g, cn_array(g, CN_I64, CN_DIMS(2), a), cn_array(g, CN_I64, CN_DIMS(2), b)));
  cr_assert_eq(y[0], 2);
  cr_assert_eq(y[1], INT64_C(9007199254740993));
  CHECK_TENSOR(cn_saturate_cast(g, DOUBLES(CN_DIMS(4), -5, 300, NAN, 7.9), .dtype = "uint8"), CN_DIMS(4), 0, 0, 255, 0, 7);
  CHECK_TENSOR(cn_isin(g, cn_array(g, CN_I64, CN_DIMS(2), a), cn_array(g, CN_I64, CN_DIMS(2), b), .invert = true), CN_DIMS(2), 0, 1, 1);
}

Test(autograd_names, the_next_number) {
  cn_tensor *y = cn_nextafter(g, DOUBLES(CN_DIMS(3), 1, 0, 2), DOUBLES(CN_DIMS(3), 2, -1, 2));
  cr_assert_eq(cn_at(y, 0), 1 + 0x1p-52);
  cr_assert_eq(cn_at(y, 1), -0x1p-1074);
  cr_assert_eq(cn_at(y, 2), 2);
  cr_assert_eq(cn_item(cn_nextafter(g, cn_scalar(g, 1), cn_scalar(g, 2))), 1 + 0x1p-23);
}

Test(autograd_names, parts_along_named_axes) {
  cn_tensor *x = cn_array(g, CN_F32, CN_DIMS(2, 4, 2), NULL), *v = cn_array(g, CN_F32, CN_DIMS(4), NULL);
  cr_assert_eq(cn_dim(cn_vsplit(g, x, CN_INTS(2))[1], 0), 1);
  cr_assert_eq(cn_dim(cn_hsplit(g, x, CN_INTS(1, 3))[1], 1), 2);
  cr_assert_eq(cn_dim(cn_dsplit(g, x, CN_INTS(2))[0], 2), 1);
  cr_assert_eq(cn_dim(cn_hsplit(g, v, CN_INTS(2))[0], 0), 2);
}

Test(autograd_names, counts_at_the_edges) {
  const cn_histogram_result h = cn_histogram(g, DOUBLES(CN_DIMS(6), 0, 1, 2, 3, 4, NAN), .bins = 4, .range = CN_REALS(0, 4));
  CHECK_TENSOR(h.counts, CN_DIMS(4), 0, 1, 1, 1, 2);
  CHECK_TENSOR(h.edges, CN_DIMS(5), 0, 0, 1, 2, 3, 4);
  cn_graph_clear(g);
  CHECK_TENSOR(cn_saturate_cast(g, DOUBLES(CN_DIMS(3), 1e300, -INFINITY, 2), .dtype = "float32"), CN_DIMS(3), 0, (double)FLT_MAX, -(double)FLT_MAX, 2);
  const cn_histogram_result large = cn_histogram(g, DOUBLES(CN_DIMS(1), 1e17), .bins = 2); /* half a unit is nothing to it */
  cr_assert(large.counts && cn_at(large.counts, 0) + cn_at(large.counts, 1) == 1, "%s", cn_error(g));
  cr_assert_null(cn_histogram(g, DOUBLES(CN_DIMS(1), NAN)).counts);
  cr_assert(strstr(cn_error(g), "x must be finite where no range is given"), "%s", cn_error(g));
  cn_graph_clear(g);
}

Test(autograd_names, quantiles_without_nan) {
  cn_tensor *x = cn_watch(DOUBLES(CN_DIMS(3, 3), 3, NAN, 1, NAN, 7, NAN, NAN, NAN, NAN)), *y = cn_nanmedian(g, x, .axis = CN_INTS(1));
  cr_assert_eq(cn_at(y, 0), 2);
  cr_assert_eq(cn_at(y, 1), 7);
  cr_assert(isnan(cn_at(y, 2)));
  CHECK_TENSOR(cn_nanpercentile(g, DOUBLES(CN_DIMS(4), 4, NAN, 2, 0), DOUBLES(CN_DIMS(2), 25, 100)), CN_DIMS(2), 1e-12, 1, 4);
  CHECK_TENSOR(cn_nanquantile(g, DOUBLES(CN_DIMS(4), 4, NAN, 2, 0), DOUBLES(CN_SCALAR, 0.3), .method = "higher", .keepdims = true), CN_DIMS(1), 0, 2);
}

Test(autograd_names, places_of_what_is_not_zero) {
  cn_tensor *const *y = cn_nonzero(g, DOUBLES(CN_DIMS(2, 2), 0, NAN, -0.0, 5));
  CHECK_TENSOR(y[0], CN_DIMS(2), 0, 0, 1);
  CHECK_TENSOR(y[1], CN_DIMS(2), 0, 1, 1);
}
