/* What the sweep's samples do not hold of the operations on images: exact integers, grey pixels, places far outside, sizes that are not known yet, numbers of
 * released Keras. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 3); }
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(autograd_image, .init = begin, .fini = end);

#define DOUBLES(dims, ...) cn_array_from_doubles(g, CN_F64, dims, (const double[]){ __VA_ARGS__ })

Test(autograd_image, picked_pixels_stay_exact) {
  const int64_t large[] = { INT64_C(9007199254740993), 5, -7, 2 };
  const int64_t *y = cn_data(cn_resize(g, cn_array(g, CN_I64, CN_DIMS(2, 2, 1), large), CN_INTS(4, 2), .interpolation = "nearest"));
  cr_assert_eq(y[0], INT64_C(9007199254740993));
  cr_assert_eq(y[2], INT64_C(9007199254740993));
  cr_assert_eq(y[4], -7);
}

Test(autograd_image, integers_truncate) {
  const uint8_t pixels[] = { 1, 2, 250, 255 };
  cn_tensor *x = cn_array(g, CN_U8, CN_DIMS(1, 4, 1), pixels), *y = cn_resize(g, x, CN_INTS(1, 2));
  cr_assert_eq(cn_dtype_of(y), CN_U8);
  CHECK_TENSOR(y, CN_DIMS(1, 2, 1), 0, 1, 252);
  CHECK_TENSOR(cn_pad_images(g, x, .top_padding = 0, .bottom_padding = 0, .left_padding = 1, .target_width = 6), CN_DIMS(1, 6, 1), 0, 0, 1, 2, 250, 255, 0);
}

Test(autograd_image, grey_has_no_hue) {
  CHECK_TENSOR(cn_rgb_to_hsv(g, DOUBLES(CN_DIMS(1, 3, 3), 0, 0, 0, 0.5, 0.5, 0.5, 1, 0, 0.5)), CN_DIMS(1, 3, 3), 1e-15, 0, 0, 0, 0, 0, 0.5, 11.0 / 12, 1, 1);
  cn_tensor *x = cn_watch(DOUBLES(CN_DIMS(1, 1, 3), 0, 0, 0)), *dx = NULL;
  cr_assert(cn_gradients(g, cn_rgb_to_hsv(g, x), CN_NO_TENSOR, &x, 1, false, &dx));
  for (int64_t i = 0; i < 3; i++) cr_assert(isfinite(cn_at(dx, i)));
}

Test(autograd_image, places_far_outside) {
  cn_tensor *x = DOUBLES(CN_DIMS(3), 1, 2, 4), *at = DOUBLES(CN_DIMS(1, 4), 1e300, -1e300, NAN, INFINITY);
  cn_tensor *edge = cn_map_coordinates(g, x, at, 0, .fill_mode = "nearest"), *filled = cn_map_coordinates(g, x, at, 0, .fill_value = 9);
  cr_assert_eq(cn_at(edge, 0), 4);
  cr_assert_eq(cn_at(edge, 1), 1);
  cr_assert_eq(cn_at(edge, 3), 4);
  cr_assert_eq(cn_at(filled, 0), 9);
  cr_assert_eq(cn_at(filled, 3), 9);
}

/* A quarter turn: y to x, with TensorFlow's sense of the eight numbers. */
Test(autograd_image, a_quarter_turn) {
  cn_tensor *x = DOUBLES(CN_DIMS(2, 2, 1), 1, 2, 3, 4), *turn = DOUBLES(CN_DIMS(8), 0, 1, 0, -1, 0, 1, 0, 0);
  CHECK_TENSOR(cn_affine_transform(g, x, turn), CN_DIMS(2, 2, 1), 0, 3, 1, 4, 2);
  CHECK_TENSOR(cn_affine_transform(g, x, DOUBLES(CN_DIMS(8), 1, 0, 0, 0, 1, 0, -1, 0), .fill_value = 9), CN_DIMS(2, 2, 1), 0, 1, 9, 3, 9);
}

Test(autograd_image, same_seed_same_displacement) {
  cn_tensor *x = cn_random_uniform(g, .shape = CN_INTS(1, 6, 6, 1));
  cn_tensor *a = cn_elastic_transform(g, x, .seed = 4), *b = cn_elastic_transform(g, x, .seed = 4), *c = cn_elastic_transform(g, x),
            *d = cn_elastic_transform(g, x);
  double same = 0, other = 0;
  for (int64_t i = 0; i < cn_count(x); i++) same += fabs(cn_at(a, i) - cn_at(b, i)), other += fabs(cn_at(c, i) - cn_at(d, i));
  cr_assert_eq(same, 0);
  cr_assert_gt(other, 0.1);
}

#define CHECK_SHAPE(y, wanted)                                                              \
  do {                                                                                      \
    const cn_dims got_ = cn_dims_of(y);                                                     \
    char text_[160];                                                                        \
    cr_assert(cn_ok(g), "%s", cn_error(g));                                                 \
    cr_assert(cn_dims_equal(&got_, wanted), "%s", cn_dims_text(&got_, text_, sizeof text_)); \
  } while (0)

Test(autograd_image, sizes_that_are_not_known_yet) {
  const int64_t n = CN_UNKNOWN;
  cn_tensor *x = cn_symbolic(g, CN_F32, CN_DIMS(n, n, n, 3));
  CHECK_SHAPE(cn_resize(g, x, CN_INTS(4, 5), .crop_to_aspect_ratio = true), CN_DIMS(n, 4, 5, 3));
  CHECK_SHAPE(cn_rgb_to_grayscale(g, x), CN_DIMS(n, n, n, 1));
  CHECK_SHAPE(cn_rgb_to_hsv(g, x), CN_DIMS(n, n, n, 3));
  CHECK_SHAPE(cn_gaussian_blur(g, x), CN_DIMS(n, n, n, 3));
  CHECK_SHAPE(cn_sobel_edges(g, x), CN_DIMS(n, n, n, 3, 2));
  CHECK_SHAPE(cn_crop_images(g, x, .top_cropping = 1, .bottom_cropping = 1, .left_cropping = 0, .target_width = 7), CN_DIMS(n, n, 7, 3));
  CHECK_SHAPE(cn_affine_transform(g, x, cn_symbolic(g, CN_F32, CN_DIMS(n, 8))), CN_DIMS(n, n, n, 3));
  CHECK_SHAPE(cn_perspective_transform(g, x, cn_symbolic(g, CN_F32, CN_DIMS(n, 4, 2)), cn_symbolic(g, CN_F32, CN_DIMS(n, 4, 2))), CN_DIMS(n, n, n, 3));
  CHECK_SHAPE(cn_elastic_transform(g, x), CN_DIMS(n, n, n, 3));
  CHECK_SHAPE(cn_ssim(g, x, x), CN_DIMS(n));
  CHECK_SHAPE(cn_extract_patches(g, x, .size = CN_INTS(2)), CN_DIMS(n, n, n, 12));
  CHECK_SHAPE(cn_map_coordinates(g, x, cn_symbolic(g, CN_F32, CN_DIMS(4, n, 2)), 1), CN_DIMS(n, 2));
  CHECK_SHAPE(cn_scale_and_translate(g, x, CN_INTS(2, 4, 5, 3), .scale = CN_REALS(1, 2), .translation = CN_REALS(0, 0), .spatial_dims = CN_INTS(1, 2),
                                     .method = "linear"),
              CN_DIMS(2, 4, 5, 3));
}
