/* Connectionist temporal classification (Graves, Fernandez, Gomez and Schmidhuber, 2006): the loss of label sequences without alignment, and their decoding. */
#ifndef CN_AUTOGRAD_OPS_CTC_H
#define CN_AUTOGRAD_OPS_CTC_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* -ln of the probability that the frames, each class with softmax(output), spell the target: the sum over all alignments with repeats and blanks. target
 * [batch, labels] of any numeric dtype, output [batch, time, classes] logits, target_length and output_length [batch]: how much of each counts -> [batch].
 * mask_index is the blank. Infinity, with a zero gradient, where the frames are too few. INDEX for a label out of range, VALUE for a length. Gradient:
 * softmax(output) less each class' share of the alignments, by the forward-backward algorithm in logarithms. */
#define CN_CTC_LOSS(X, S)                                                     \
  CN_IN(X, S, target, "labels")                                               \
  CN_IN(X, S, output, "logits")                                               \
  CN_IN(X, S, target_length, "labels of each sample")                         \
  CN_IN(X, S, output_length, "frames of each sample")                         \
  X(S, int64_t, mask_index, 0, NONNEGATIVE, "class of the blank")
CN_OP_DECLARE(ctc_loss, CN_CTC_LOSS)

/* The most probable label sequences of inputs [batch, time, classes] (logits), of which sequence_lengths [batch] frames count: decoded [paths, batch, time]
 * (int32, -1 behind the end), scores [batch, paths]. "greedy": the best class of each frame without blanks and, with merge_repeated, repeats; one path; the
 * score is minus the sum of the best logits. "beam_search": prefix search that keeps beam_width prefixes; the top_paths most probable, each with the logarithm
 * of its probability; where there are fewer, -1 and minus infinity. The first frame counts even where the length is 0. mask_index is the blank; None: the last
 * class. VALUE for another strategy or a length out of range. No gradient. cn_ctc_decode(g, x, lengths).decoded */
#define CN_CTC_DECODE(X, S)                                                                        \
  CN_IN(X, S, inputs, "logits")                                                                    \
  CN_IN(X, S, sequence_lengths, "frames of each sample")                                           \
  X(S, const char *, strategy, "greedy", ANY, "greedy or beam_search")                             \
  X(S, int64_t, beam_width, 100, POSITIVE, "prefixes that the beam search keeps")                  \
  X(S, int64_t, top_paths, 1, POSITIVE, "paths that the beam search returns")                      \
  X(S, bool, merge_repeated, true, ANY, "greedy: whether repeats of a class are one label")        \
  X(S, int64_t, mask_index, 0, ANY, "class of the blank; None: the last")
CN_OP_DECLARE(ctc_decode, CN_CTC_DECODE)
typedef struct cn_ctc_decode_result { cn_tensor *decoded, *scores; } cn_ctc_decode_result;

#ifndef __cplusplus
static inline cn_ctc_decode_result cni_ctc_decode_result(cn_tensor *const *y) { return (cn_ctc_decode_result){ y[0], y[1] }; }
#define cn_ctc_loss(...) CN_CALL_(ctc_loss, CN_CTC_LOSS, __VA_ARGS__)
#define cn_ctc_decode(...) cni_ctc_decode_result(CN_CALL_OUTPUTS_(ctc_decode, CN_CTC_DECODE, __VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif
#endif
