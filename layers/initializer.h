/* Initializers: values that a weight starts with. */
#ifndef CN_LAYERS_INITIALIZER_H
#define CN_LAYERS_INITIALIZER_H
#include "object.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The functions of an initializer class: fills `y`, a float tensor's doubles in row-major order, n = product of dims; draws from the stream. False after
 * cn_fail. */
typedef struct cn_initializer_methods {
  bool (*fill)(const cn_object *self, cn_graph *g, const cn_dims *dims, cn_stream *stream, double *y, int64_t n);
} cn_initializer_methods;

#define CN_SEED(X, S) X(S, int64_t, seed, CN_NONE, ANY, "of the values; None: drawn from the graph, anew at each call")
#define CN_FANS(X, S)                                                                                                            \
  X(S, cn_ints, input_axes, CN_NONE_INTS, ANY, "axes whose sizes make fan_in; None: by the rank")                                \
  X(S, cn_ints, output_axes, CN_NONE_INTS, ANY, "axes whose sizes make fan_out")
#define CN_INITIALIZER_CONSTANT(X, S) X(S, double, value, 0.0, ANY, "every element")
/* gain * identity matrix (rank 2). */
#define CN_INITIALIZER_IDENTITY(X, S) X(S, double, gain, 1.0, ANY, "value on the diagonal")
#define CN_INITIALIZER_NORMAL(X, S)                                              \
  X(S, double, mean, 0.0, ANY, "mean")                                           \
  X(S, double, stddev, 0.05, NONNEGATIVE, "standard deviation (before truncation)") \
  CN_SEED(X, S)
#define CN_INITIALIZER_UNIFORM(X, S)                                             \
  X(S, double, minval, -0.05, ANY, "lower bound, included")                      \
  X(S, double, maxval, 0.05, ANY, "upper bound, excluded")                       \
  CN_SEED(X, S)
/* s = scale / max(1, fan). truncated_normal: stddev sqrt(s) / 0.8796... cut at 2 stddev; untruncated_normal: sqrt(s); uniform: half width sqrt(3 s). */
#define CN_INITIALIZER_VARIANCE_SCALING(X, S)                                                    \
  X(S, double, scale, 1.0, POSITIVE, "factor of the variance")                                   \
  X(S, const char *, mode, "fan_in", ANY, "fan_in, fan_out or fan_avg")                          \
  X(S, const char *, distribution, "truncated_normal", ANY, "truncated_normal, untruncated_normal or uniform") \
  CN_SEED(X, S) CN_FANS(X, S)
#define CN_INITIALIZER_NAMED_SCALING(X, S) CN_SEED(X, S) CN_FANS(X, S)
/* Q of the QR decomposition of a normal matrix [rows, last axis], signs by R's diagonal (Saxe et al. 2013). */
#define CN_INITIALIZER_ORTHOGONAL(X, S) X(S, double, gain, 1.0, ANY, "factor") CN_SEED(X, S)
/* The windowed DFT basis of shape [frame length, 1, bins] that STFTSpectrogram convolves with. */
#define CN_INITIALIZER_STFT(X, S)                                                                \
  X(S, const char *, side, "real", ANY, "real or imag")                                          \
  X(S, const char *, window, "hann", ANY, "hann, hamming or None for a box")                     \
  X(S, const char *, scaling, "density", ANY, "density, spectrum or None")                       \
  X(S, bool, periodic, false, ANY, "whether the window is periodic")

CN_OBJECT_DECLARE(initializer, Zeros, CN_NO_OPTIONS)
CN_OBJECT_DECLARE(initializer, Ones, CN_NO_OPTIONS)
CN_OBJECT_DECLARE(initializer, Constant, CN_INITIALIZER_CONSTANT)
CN_OBJECT_DECLARE(initializer, Identity, CN_INITIALIZER_IDENTITY)
CN_OBJECT_DECLARE(initializer, RandomNormal, CN_INITIALIZER_NORMAL)
CN_OBJECT_DECLARE(initializer, TruncatedNormal, CN_INITIALIZER_NORMAL)
CN_OBJECT_DECLARE(initializer, RandomUniform, CN_INITIALIZER_UNIFORM)
CN_OBJECT_DECLARE(initializer, VarianceScaling, CN_INITIALIZER_VARIANCE_SCALING)
CN_OBJECT_DECLARE(initializer, GlorotUniform, CN_INITIALIZER_NAMED_SCALING)
CN_OBJECT_DECLARE(initializer, GlorotNormal, CN_INITIALIZER_NAMED_SCALING)
CN_OBJECT_DECLARE(initializer, LecunUniform, CN_INITIALIZER_NAMED_SCALING)
CN_OBJECT_DECLARE(initializer, LecunNormal, CN_INITIALIZER_NAMED_SCALING)
CN_OBJECT_DECLARE(initializer, HeUniform, CN_INITIALIZER_NAMED_SCALING)
CN_OBJECT_DECLARE(initializer, HeNormal, CN_INITIALIZER_NAMED_SCALING)
CN_OBJECT_DECLARE(initializer, Orthogonal, CN_INITIALIZER_ORTHOGONAL)
CN_OBJECT_DECLARE(initializer, STFT, CN_INITIALIZER_STFT)
#ifndef __cplusplus
#define cn_initializer_Zeros(...) CN_MAKE_OBJECT_(initializer, Zeros, CN_NO_OPTIONS, __VA_ARGS__)
#define cn_initializer_Ones(...) CN_MAKE_OBJECT_(initializer, Ones, CN_NO_OPTIONS, __VA_ARGS__)
#define cn_initializer_Constant(...) CN_MAKE_OBJECT_(initializer, Constant, CN_INITIALIZER_CONSTANT, __VA_ARGS__)
#define cn_initializer_Identity(...) CN_MAKE_OBJECT_(initializer, Identity, CN_INITIALIZER_IDENTITY, __VA_ARGS__)
#define cn_initializer_RandomNormal(...) CN_MAKE_OBJECT_(initializer, RandomNormal, CN_INITIALIZER_NORMAL, __VA_ARGS__)
#define cn_initializer_TruncatedNormal(...) CN_MAKE_OBJECT_(initializer, TruncatedNormal, CN_INITIALIZER_NORMAL, __VA_ARGS__)
#define cn_initializer_RandomUniform(...) CN_MAKE_OBJECT_(initializer, RandomUniform, CN_INITIALIZER_UNIFORM, __VA_ARGS__)
#define cn_initializer_VarianceScaling(...) CN_MAKE_OBJECT_(initializer, VarianceScaling, CN_INITIALIZER_VARIANCE_SCALING, __VA_ARGS__)
#define cn_initializer_GlorotUniform(...) CN_MAKE_OBJECT_(initializer, GlorotUniform, CN_INITIALIZER_NAMED_SCALING, __VA_ARGS__)
#define cn_initializer_GlorotNormal(...) CN_MAKE_OBJECT_(initializer, GlorotNormal, CN_INITIALIZER_NAMED_SCALING, __VA_ARGS__)
#define cn_initializer_LecunUniform(...) CN_MAKE_OBJECT_(initializer, LecunUniform, CN_INITIALIZER_NAMED_SCALING, __VA_ARGS__)
#define cn_initializer_LecunNormal(...) CN_MAKE_OBJECT_(initializer, LecunNormal, CN_INITIALIZER_NAMED_SCALING, __VA_ARGS__)
#define cn_initializer_HeUniform(...) CN_MAKE_OBJECT_(initializer, HeUniform, CN_INITIALIZER_NAMED_SCALING, __VA_ARGS__)
#define cn_initializer_HeNormal(...) CN_MAKE_OBJECT_(initializer, HeNormal, CN_INITIALIZER_NAMED_SCALING, __VA_ARGS__)
#define cn_initializer_Orthogonal(...) CN_MAKE_OBJECT_(initializer, Orthogonal, CN_INITIALIZER_ORTHOGONAL, __VA_ARGS__)
#define cn_initializer_STFT(...) CN_MAKE_OBJECT_(initializer, STFT, CN_INITIALIZER_STFT, __VA_ARGS__)
#endif

CN_API cn_object *cn_initializer_from(cn_graph *g, const char *text);
/* A tensor of initial values: from an object, a name, or a user's function (which gets zeros of the shape). An object with a seed gives the same values at
 * every call. dtype may be an integer type for constants. */
CN_API cn_tensor *cn_initialize(cn_graph *g, const cn_ref *initializer, const cn_dims *dims, cn_dtype dtype);
CN_API bool cn_register_initializer(cn_graph *g, const char *name, cn_function fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
