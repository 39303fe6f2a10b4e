/* Fourier transforms of any length along the last axis (fft2, ifft2: the last two); all axes before are batches. Floats only. A complex tensor is a pair of
 * real ones, real and imaginary, of one shape and dtype, as in keras.ops; there are no complex dtypes, so view_as_complex and the like are absent. Names
 * and meaning: keras.ops; ifft is NumPy's. An axis of size 0 is a SHAPE error. Gradients are transforms themselves. */
#ifndef CN_AUTOGRAD_OPS_FFT_H
#define CN_AUTOGRAD_OPS_FFT_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cn_complex { cn_tensor *real, *imag; } cn_complex;

#define CN_LIST_COMPLEX(X, S) CN_IN(X, S, real, "real part") CN_IN(X, S, imag, "imaginary part, of the same shape")
#define CN_LENGTH_(X, S, doc) X(S, int64_t, fft_length, CN_NONE, POSITIVE, doc)
#define CN_LIST_RFFT(X, S) CN_IN(X, S, x, "[..., n]") CN_LENGTH_(X, S, "x is cut, or gets zeros, to this length; None: n")
#define CN_LIST_IRFFT(X, S) CN_LIST_COMPLEX(X, S) CN_LENGTH_(X, S, "of the result; None: 2 (n - 1)")
#define CN_FRAMES_(X, S) X(S, int64_t, sequence_length, CN_REQUIRED, POSITIVE, "of a frame") X(S, int64_t, sequence_stride, CN_REQUIRED, POSITIVE, "from one frame's start to the next's")
#define CN_LIST_EXTRACT_SEQUENCES(X, S) CN_IN(X, S, x, "[..., n]") CN_FRAMES_(X, S)
#define CN_LIST_OVERLAP_SEQUENCES(X, S) \
  CN_IN(X, S, x, "[..., frames, length]") X(S, int64_t, sequence_stride, CN_REQUIRED, POSITIVE, "from one frame's start to the next's") X(S, int64_t, size, CN_NONE, NONNEGATIVE, "of the result; None: up to the last frame's end")
#define CN_FRAME_WINDOW_(X, S) X(S, const char *, window, "hann", ANY, "hann, hamming, or None: ones")
#define CN_LIST_STFT_WINDOW(X, S)                                                                                                                        \
  X(S, int64_t, sequence_length, CN_REQUIRED, POSITIVE, "of the window") X(S, int64_t, fft_length, CN_REQUIRED, POSITIVE, "with zeros at both ends")      \
  CN_FRAME_WINDOW_(X, S) X(S, const char *, dtype, "float32", DTYPE, "float32 or float64")
#define CN_LIST_STFT(X, S)                                                                                                                               \
  CN_IN(X, S, x, "[..., n]") CN_IN_OPTIONAL(X, S, window_values, "[sequence_length], instead of window") CN_FRAMES_(X, S)                                 \
  X(S, int64_t, fft_length, CN_REQUIRED, POSITIVE, "at least sequence_length") CN_FRAME_WINDOW_(X, S) X(S, bool, center, true, ANY, "x is mirrored by fft_length / 2 at both ends")
#define CN_LIST_ISTFT(X, S)                                                                                                                              \
  CN_LIST_COMPLEX(X, S) CN_IN_OPTIONAL(X, S, window_values, "[sequence_length], instead of window") CN_FRAMES_(X, S)                                      \
  X(S, int64_t, fft_length, CN_REQUIRED, POSITIVE, "at least sequence_length") X(S, int64_t, length, CN_NONE, NONNEGATIVE, "of the result, at most")      \
  CN_FRAME_WINDOW_(X, S) X(S, bool, center, true, ANY, "as it was for stft")

/* y_k = sum over j of x_j e^(-2 pi i j k / n), and its inverse, which divides by n. dx = n ifft(dy), fft(dy) / n. */
CN_OP_DECLARE(fft, CN_LIST_COMPLEX)
CN_OP_DECLARE(ifft, CN_LIST_COMPLEX)
CN_OP_DECLARE(fft2, CN_LIST_COMPLEX)
CN_OP_DECLARE(ifft2, CN_LIST_COMPLEX)
/* The first fft_length / 2 + 1 numbers of the transform of real x; the others are their conjugates in reverse. */
CN_OP_DECLARE(rfft, CN_LIST_RFFT)
/* The real sequence of fft_length numbers of which these are the first fft_length / 2 + 1 numbers of the transform; they are cut, or get zeros, to as many.
 * Imaginary parts of the first and, with an even length, of the last are not read. */
CN_OP_DECLARE(irfft, CN_LIST_IRFFT)
/* y[..., f, i] = x[..., f stride + i] for every frame that fits: [..., 1 + (n - length) / stride, length]. Any dtype but string. */
CN_OP_DECLARE(extract_sequences, CN_LIST_EXTRACT_SEQUENCES)
/* Its transpose: frames are added where they came from. [..., size]. Floats. */
CN_OP_DECLARE(overlap_sequences, CN_LIST_OVERLAP_SEQUENCES)
/* The periodic window 0.5 - 0.5 cos(2 pi i / length), or 0.54 - 0.46 cos, with zeros around: [fft_length]. Cornu's own. */
CN_OP_DECLARE(stft_window, CN_LIST_STFT_WINDOW)
/* The transforms of windowed frames of fft_length numbers: two of [..., frames, fft_length / 2 + 1]. */
CN_OP_DECLARE(stft, CN_LIST_STFT)
/* The signal [..., length] back: inverse transforms, windowed, added where they overlap and divided by the sum of squared windows (1 where that is below
 * 1e-10). With window None Keras leaves a factor of fft_length / sequence_stride, and so does this. */
CN_OP_DECLARE(istft, CN_LIST_ISTFT)
/* Parts of a tensor as a complex one, which here is real: x itself, zeros, and the angle 0 or, where x is negative, pi. Integers have the angle in float32. */
CN_OP_DECLARE(real, CN_LIST_X)
CN_FUNCTION_X(real)
CN_OP_DECLARE(conj, CN_LIST_X)
CN_FUNCTION_X(conj)
CN_OP_DECLARE(conjugate, CN_LIST_X)
CN_FUNCTION_X(conjugate)
CN_OP_DECLARE(imag, CN_LIST_X)
CN_FUNCTION_X(imag)
CN_OP_DECLARE(angle, CN_LIST_X)
CN_FUNCTION_X(angle)

#ifndef __cplusplus
static inline cn_complex cni_complex(cn_tensor *const *y) { return (cn_complex){ y[0], y[1] }; }
#define cn_fft(...) cni_complex(CN_CALL_OUTPUTS_(fft, CN_LIST_COMPLEX, __VA_ARGS__))
#define cn_ifft(...) cni_complex(CN_CALL_OUTPUTS_(ifft, CN_LIST_COMPLEX, __VA_ARGS__))
#define cn_fft2(...) cni_complex(CN_CALL_OUTPUTS_(fft2, CN_LIST_COMPLEX, __VA_ARGS__))
#define cn_ifft2(...) cni_complex(CN_CALL_OUTPUTS_(ifft2, CN_LIST_COMPLEX, __VA_ARGS__))
#define cn_rfft(...) cni_complex(CN_CALL_OUTPUTS_(rfft, CN_LIST_RFFT, __VA_ARGS__))
#define cn_irfft(...) CN_CALL_(irfft, CN_LIST_IRFFT, __VA_ARGS__)
#define cn_extract_sequences(...) CN_CALL_(extract_sequences, CN_LIST_EXTRACT_SEQUENCES, __VA_ARGS__)
#define cn_overlap_sequences(...) CN_CALL_(overlap_sequences, CN_LIST_OVERLAP_SEQUENCES, __VA_ARGS__)
#define cn_stft_window(...) CN_CALL_(stft_window, CN_LIST_STFT_WINDOW, __VA_ARGS__)
#define cn_stft(...) cni_complex(CN_CALL_OUTPUTS_(stft, CN_LIST_STFT, __VA_ARGS__))
#define cn_istft(...) CN_CALL_(istft, CN_LIST_ISTFT, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
