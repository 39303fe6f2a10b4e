/* Images: resizing, sampling, filters and colours. images are [height, width, channels] or [batch, height, width, channels], with data_format "channels_first"
 * [batch, channels, height, width]; another rank is a SHAPE error. Any numbers unless said otherwise; integers are computed in float32 and cast back, which
 * truncates. Made of other operations, whose gradients of every order they have. Names and meaning: keras.ops.image on TensorFlow; resize_weights and
 * resize_axis are Cornu's own. */
#ifndef CN_AUTOGRAD_OPS_IMAGE_H
#define CN_AUTOGRAD_OPS_IMAGE_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_FORMAT_(X, S) X(S, const char *, data_format, NULL, DATA_FORMAT, "channels_last (None) or channels_first")
#define CN_LIST_RESIZE_WEIGHTS(X, S)                                                                                                          \
  X(S, int64_t, input_size, CN_REQUIRED, POSITIVE, "elements of the axis") X(S, int64_t, output_size, CN_REQUIRED, NONNEGATIVE, "of the result") \
  X(S, double, scale, CN_NONE_REAL, POSITIVE, "of the result to the axis; None: output_size / input_size") X(S, double, translation, 0.0, ANY, "of the result, in its elements") \
  X(S, const char *, method, "bilinear", ANY, "as resize's interpolation") X(S, bool, antialias, false, ANY, "whether the kernel widens where the axis shrinks") \
  X(S, const char *, dtype, "float32", DTYPE, "float32 or float64")
#define CN_LIST_RESIZE_AXIS(X, S)                                                                                                             \
  CN_IN(X, S, x, "floats") CN_IN(X, S, weights, "[size of the axis, new size]; mostly zeros") X(S, int64_t, axis, CN_REQUIRED, ANY, "which one") \
  X(S, bool, transpose, false, ANY, "whether weights are [new size, size of the axis]")
#define CN_LIST_RESIZE(X, S)                                                                                                                  \
  CN_IN(X, S, images, "images") X(S, cn_ints, size, CN_EMPTY_INTS, ANY, "height and width of the result")                                     \
  X(S, const char *, interpolation, "bilinear", ANY, "nearest, bilinear, bicubic, lanczos3, lanczos5; as in tf.keras area, gaussian, mitchellcubic") \
  X(S, bool, antialias, false, ANY, "whether the kernel widens where the image shrinks") X(S, bool, crop_to_aspect_ratio, false, ANY, "cuts the middle out first, of the result's aspect ratio") \
  X(S, bool, pad_to_aspect_ratio, false, ANY, "adds fill_value around first, up to the result's aspect ratio") X(S, const char *, fill_mode, "constant", ANY, "constant is the only one") \
  X(S, double, fill_value, 0.0, ANY, "of what is added") CN_FORMAT_(X, S)
#define CN_LIST_SCALE_AND_TRANSLATE(X, S)                                                                                                     \
  CN_IN(X, S, images, "of any shape") X(S, cn_ints, output_shape, CN_EMPTY_INTS, ANY, "of the result") X(S, cn_reals, scale, { 0 }, ANY, "of the result to the image, one a spatial axis") \
  X(S, cn_reals, translation, { 0 }, ANY, "of the result, one a spatial axis") X(S, cn_ints, spatial_dims, CN_EMPTY_INTS, ANY, "the axes that are scaled") \
  X(S, const char *, method, NULL, REQUIRED, "linear, bilinear, cubic, bicubic, lanczos3 or lanczos5") X(S, bool, antialias, true, ANY, "whether the kernel widens where the image shrinks")
#define CN_LIST_MAP_COORDINATES(X, S)                                                                                                         \
  CN_IN(X, S, inputs, "of rank n") CN_IN(X, S, coordinates, "[n, ...]: where, an index an axis") X(S, int64_t, order, CN_REQUIRED, ANY, "0 the nearest element, 1 linear") \
  X(S, const char *, fill_mode, "constant", ANY, "outside: constant, nearest (the edge), wrap, mirror (at the middle of the edge's elements), reflect (at their ends)") X(S, double, fill_value, 0.0, ANY, "of mode constant")
#define CN_LIST_AFFINE(X, S)                                                                                                                  \
  CN_IN(X, S, images, "images") CN_IN(X, S, transform, "[8] or [batch, 8]: a0, a1, a2, b0, b1, b2, c0, c1") X(S, const char *, interpolation, "bilinear", ANY, "nearest or bilinear") \
  X(S, const char *, fill_mode, "constant", ANY, "outside: constant, nearest, wrap, reflect") X(S, double, fill_value, 0.0, ANY, "of mode constant") CN_FORMAT_(X, S)
#define CN_LIST_PERSPECTIVE(X, S)                                                                                                             \
  CN_IN(X, S, images, "images") CN_IN(X, S, start_points, "[4, 2] or [batch, 4, 2]: (x, y) in the images") CN_IN(X, S, end_points, "of the same shape: where they go")                      \
  X(S, const char *, interpolation, "bilinear", ANY, "nearest or bilinear") X(S, double, fill_value, 0.0, ANY, "outside") CN_FORMAT_(X, S)
#define CN_LIST_ELASTIC(X, S)                                                                                                                 \
  CN_IN(X, S, images, "images") X(S, double, alpha, 20.0, ANY, "factor of the displacements") X(S, double, sigma, 5.0, ANY, "standard deviation of the blur, and factor of the noise") \
  X(S, const char *, interpolation, "bilinear", ANY, "nearest or bilinear") X(S, const char *, fill_mode, "reflect", ANY, "as map_coordinates'") X(S, double, fill_value, 0.0, ANY, "of mode constant") \
  X(S, int64_t, seed, CN_NONE, ANY, "of a stream of this call alone; None: see stream") CN_FORMAT_(X, S) X(S, void *, stream, NULL, ANY, "a cn_stream * that advances; NULL: the graph's")

/* [input_size, output_size]: column i holds the weights of an axis' elements in element i of the resized axis: a kernel around (i + 1/2 - translation) / scale,
 * normalized; of half width 1 (bilinear: 1 - |d|), 2 (bicubic: Keys 1981, a = -1/2; mitchellcubic: Mitchell and Netravali 1988), 3, 5 (Lanczos), 3/2 (gaussian,
 * deviation 1/2), with antialias divided by min(scale, 1); area: the shares that the element covers; nearest. Zeros where the middle lies outside. */
CN_OP_DECLARE(resize_weights, CN_LIST_RESIZE_WEIGHTS)
/* y[..., i, ...] = the sum over j of weights[j, i] x[..., j, ...]; what stands outside of a column's first and last weight other than 0 is not read. */
CN_OP_DECLARE(resize_axis, CN_LIST_RESIZE_AXIS)
/* Both axes times their resize_weights; nearest picks pixels and keeps the dtype exactly. Crop: height min(H, floor(W h / w)), width likewise, from the middle.
 * Pad: height max(H, floor(W h / w)), floor of half of what lacks on either side. `cn_resize(g, images, CN_INTS(32, 32))`. */
CN_OP_DECLARE(resize, CN_LIST_RESIZE)
/* The spatial axes times their resize_weights. Floats. */
CN_OP_DECLARE(scale_and_translate, CN_LIST_SCALE_AND_TRANSLATE)
/* y[...] = inputs at coordinates[:, ...], linear between elements: sum over the 2^n corners around. Mode constant mixes with fill_value from one element
 * outside. Integers are rounded. */
CN_OP_DECLARE(map_coordinates, CN_LIST_MAP_COORDINATES)
/* The pixel at (x, y) is that of images at ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1; fill_value where k is 0. wrap has no pixel
 * between the last and the first. */
CN_OP_DECLARE(affine_transform, CN_LIST_AFFINE)
/* The projection that takes start_points to end_points: an affine_transform whose 8 numbers solve a0 x' + a1 y' + a2 - x (c0 x' + c1 y') = x and the like for
 * y, at the four pairs. */
CN_OP_DECLARE(perspective_transform, CN_LIST_PERSPECTIVE)
/* Each pixel moved by alpha sigma times normal noise, blurred (gaussian_blur, size 6 sigma made odd), the same for all channels (Simard, Steinkraus, Platt
 * 2003). */
CN_OP_DECLARE(elastic_transform, CN_LIST_ELASTIC)

#define CN_LIST_IMAGES(X, S) CN_IN(X, S, images, "images") CN_FORMAT_(X, S)
#define CN_EDGES_(X, S, word)                                                                                                                 \
  X(S, int64_t, top_##word, CN_NONE, ANY, "rows at the top") X(S, int64_t, left_##word, CN_NONE, ANY, "columns at the left")                  \
  X(S, int64_t, bottom_##word, CN_NONE, ANY, "rows at the bottom") X(S, int64_t, right_##word, CN_NONE, ANY, "columns at the right")          \
  X(S, int64_t, target_height, CN_NONE, ANY, "of the result") X(S, int64_t, target_width, CN_NONE, ANY, "of the result") CN_FORMAT_(X, S)
#define CN_LIST_CROP_IMAGES(X, S) CN_IN(X, S, images, "images") CN_EDGES_(X, S, cropping)
#define CN_LIST_PAD_IMAGES(X, S) CN_IN(X, S, images, "images") CN_EDGES_(X, S, padding)
#define CN_LIST_PATCHES(X, S, data)                                                                                                           \
  CN_IN(X, S, data, "floats") X(S, cn_ints, size, CN_EMPTY_INTS, ANY, "of a patch, one number or one an axis") X(S, cn_ints, strides, CN_NONE_INTS, ANY, "from patch to patch; None: size") \
  X(S, cn_ints, dilation_rate, CN_NONE_INTS, ANY, "between a patch's pixels; None: 1") X(S, const char *, padding, "valid", ANY, "valid or same") CN_FORMAT_(X, S)
#define CN_LIST_EXTRACT_PATCHES(X, S) CN_LIST_PATCHES(X, S, images)
#define CN_LIST_EXTRACT_PATCHES_3D(X, S) CN_LIST_PATCHES(X, S, volumes)
#define CN_LIST_BLUR(X, S)                                                                                                                    \
  CN_IN(X, S, images, "floats") X(S, cn_ints, kernel_size, CN_NONE_INTS, ANY, "height and width; None: 3, 3") X(S, cn_reals, sigma, { 0 }, ANY, "standard deviations; none given: 1, 1") CN_FORMAT_(X, S)
#define CN_LIST_SSIM(X, S)                                                                                                                    \
  CN_IN(X, S, image1, "floats") CN_IN(X, S, image2, "of the same shape") X(S, double, max_val, 1.0, ANY, "largest value that a pixel can have") X(S, int64_t, filter_size, 11, POSITIVE, "of the window") \
  X(S, double, filter_sigma, 1.5, ANY, "its standard deviation") X(S, double, k1, 0.01, ANY, "steadies the means' ratio") X(S, double, k2, 0.03, ANY, "steadies the variances' ratio") CN_FORMAT_(X, S)

/* 0.2989 red + 0.587 green + 0.114 blue: one channel out of 3. */
CN_OP_DECLARE(rgb_to_grayscale, CN_LIST_IMAGES)
/* Hue in 0 .. 1, saturation, value (Smith 1978): v the largest of red, green, blue, s = (v - the smallest) / v, h = the place between them / 6. 0 where
 * undefined. Floats of 3 channels. */
CN_OP_DECLARE(rgb_to_hsv, CN_LIST_IMAGES)
/* The inverse: v (1 - s + s d), d = clip(|6 h - 3| - 1), clip(2 - |6 h - 2|), clip(2 - |6 h - 4|) to 0 .. 1 for red, green, blue. */
CN_OP_DECLARE(hsv_to_rgb, CN_LIST_IMAGES)
/* What is left without the edges. Of top, bottom and target_height two must be given, of left, right and target_width likewise; what does not fit is a VALUE
 * error. */
CN_OP_DECLARE(crop_images, CN_LIST_CROP_IMAGES)
/* Zeros around. */
CN_OP_DECLARE(pad_images, CN_LIST_PAD_IMAGES)
/* [batch, rows, columns, height width channels]: the pixels of each patch, channels running fastest. A convolution with the identity. size of 3 numbers: as
 * extract_patches_3d. */
CN_OP_DECLARE(extract_patches, CN_LIST_EXTRACT_PATCHES)
/* The same of volumes [batch, depth, height, width, channels], or without batch. */
CN_OP_DECLARE(extract_patches_3d, CN_LIST_EXTRACT_PATCHES_3D)
/* Each channel convolved with the product of e^(-(i / sigma)^2 / 2) along both axes, i from the middle, of sum 1; zeros outside. */
CN_OP_DECLARE(gaussian_blur, CN_LIST_BLUR)
/* [..., 2]: differences down and to the right, of [-1, 0, 1] times [1, 2, 1], mirrored at the edges. Floats. */
CN_OP_DECLARE(sobel_edges, CN_LIST_IMAGES)
/* Structural similarity (Wang et al. 2004), one number an image: the mean of (2 m1 m2 + c1) / (m1^2 + m2^2 + c1) (2 s12 + c2) / (s11 + s22 + c2), means and
 * covariances under a Gaussian window inside the image, c = (k max_val)^2. */
CN_OP_DECLARE(ssim, CN_LIST_SSIM)

#ifndef __cplusplus
#define cn_resize_weights(...) CN_CALL_(resize_weights, CN_LIST_RESIZE_WEIGHTS, __VA_ARGS__)
#define cn_resize_axis(...) CN_CALL_(resize_axis, CN_LIST_RESIZE_AXIS, __VA_ARGS__)
#define cn_resize(...) CN_CALL_(resize, CN_LIST_RESIZE, __VA_ARGS__)
#define cn_scale_and_translate(...) CN_CALL_(scale_and_translate, CN_LIST_SCALE_AND_TRANSLATE, __VA_ARGS__)
#define cn_map_coordinates(...) CN_CALL_(map_coordinates, CN_LIST_MAP_COORDINATES, __VA_ARGS__)
#define cn_affine_transform(...) CN_CALL_(affine_transform, CN_LIST_AFFINE, __VA_ARGS__)
#define cn_perspective_transform(...) CN_CALL_(perspective_transform, CN_LIST_PERSPECTIVE, __VA_ARGS__)
#define cn_elastic_transform(...) CN_CALL_(elastic_transform, CN_LIST_ELASTIC, __VA_ARGS__)
#define cn_rgb_to_grayscale(...) CN_CALL_(rgb_to_grayscale, CN_LIST_IMAGES, __VA_ARGS__)
#define cn_rgb_to_hsv(...) CN_CALL_(rgb_to_hsv, CN_LIST_IMAGES, __VA_ARGS__)
#define cn_hsv_to_rgb(...) CN_CALL_(hsv_to_rgb, CN_LIST_IMAGES, __VA_ARGS__)
#define cn_crop_images(...) CN_CALL_(crop_images, CN_LIST_CROP_IMAGES, __VA_ARGS__)
#define cn_pad_images(...) CN_CALL_(pad_images, CN_LIST_PAD_IMAGES, __VA_ARGS__)
#define cn_extract_patches(...) CN_CALL_(extract_patches, CN_LIST_EXTRACT_PATCHES, __VA_ARGS__)
#define cn_extract_patches_3d(...) CN_CALL_(extract_patches_3d, CN_LIST_EXTRACT_PATCHES_3D, __VA_ARGS__)
#define cn_gaussian_blur(...) CN_CALL_(gaussian_blur, CN_LIST_BLUR, __VA_ARGS__)
#define cn_sobel_edges(...) CN_CALL_(sobel_edges, CN_LIST_IMAGES, __VA_ARGS__)
#define cn_ssim(...) CN_CALL_(ssim, CN_LIST_SSIM, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
