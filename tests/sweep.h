/* Calls of operations from the texts of their samples: "f[3,4]@0.1:3, i[5]@0:3, _, {f[2], f[3]}, axis=[1], keepdims=true".
 * Inputs: f float, i int32, l int64, b bool, s string; sizes; @low:high or @distinct; _ left out; { } a list. Then options as text. */
#ifndef CORNU_TESTS_SWEEP_H
#define CORNU_TESTS_SWEEP_H
#include "../autograd/graph_private.h"
#include "../autograd/ops.h"
#include "../core/options_private.h"

#define SWEEP_INPUTS 8
typedef struct sample {
  const cn_op *op;
  union { double align; char bytes[512]; } args;
  cn_tensor *x[SWEEP_INPUTS];
  int64_t nx;
  const char *expected; /* of a reject: what stands behind "=>" */
} sample;

/* Makes the inputs (floats of `dtype`, numbers from the stream) and the args struct. False: the text is no sample (cn_error tells). */
bool sample_make(cn_graph *g, const cn_op *op, const char *text, cn_dtype dtype, cn_stream *stream, sample *s);
/* Puts other tensors in the inputs' places and runs the operation (or one like it). */
cn_tensor *const *sample_run(cn_graph *g, sample *s, const cn_op *op, cn_tensor *const *x);

#endif
