/* Calls of operations from the texts of their samples: "f[3,4]@0.1:3, i[5]@0:3, _, {f[2], f[3]}, axis=[1], keepdims=true".
 * Inputs: f float, i int32, l int64, b bool, s string; sizes; @low:high (behind @distinct: evenly spread, integers in equal numbers), @distinct or @definite
 * (square matrices whose symmetric part is positive definite); _ left out; { } a list. Then options as text. */
#ifndef CORNU_TESTS_SWEEP_H
#define CORNU_TESTS_SWEEP_H
#include "../autograd/graph_private.h"
#include "../autograd/ops.h"
#include "../core/options_private.h"

#define SWEEP_INPUTS 8
/* What stands for one input in the text; kind '_' is one left out. */
typedef struct sample_input { char kind; bool distinct, definite; double low, high; cn_dims dims; } sample_input;
typedef struct sample {
  const cn_op *op;
  union { double align; char bytes[512]; } args;
  sample_input in[SWEEP_INPUTS];
  cn_tensor *x[SWEEP_INPUTS];
  int64_t nx;
  const char *expected; /* of a reject: what stands behind "=>" */
} sample;

/* Reads the text: inputs' forms and the args struct. False: the text is no sample (cn_error tells). */
bool sample_read(cn_graph *g, const cn_op *op, const char *text, sample *s);
/* Makes the inputs as s->in has them (floats of `dtype`, numbers from the stream). */
bool sample_fill(cn_graph *g, sample *s, cn_dtype dtype, cn_stream *stream);
/* Both. */
bool sample_make(cn_graph *g, const cn_op *op, const char *text, cn_dtype dtype, cn_stream *stream, sample *s);
/* Puts views in the inputs' places, with the same values, that begin one element behind the start of their memory. */
bool sample_view(cn_graph *g, sample *s);
/* Replaces each size `from` of the inputs; false: there is none. */
bool sample_resize(sample *s, int64_t from, int64_t to);
/* The number of elements of all inputs and, as far as `infer` knows them, outputs; -1: the call is refused. Nothing is computed. */
int64_t sample_elements(cn_graph *g, sample *s);
/* Puts other tensors in the inputs' places and runs the operation (or one like it). */
cn_tensor *const *sample_run(cn_graph *g, sample *s, const cn_op *op, cn_tensor *const *x);
/* How many outputs the call has. */
int64_t sample_outputs(cn_graph *g, const sample *s, const cn_op *op);
/* The inputs that are float64, and how many. */
int64_t sample_targets(const sample *s, cn_tensor **targets);

/* Each sample of each operation, on one graph that is cleared after it. */
void sweep_samples(void (*check)(cn_graph *g, const cn_op *op, const char *text));
/* run() with CN_ISA set, which its graphs have then, and which stays set; false where the CPU has no such instructions. */
bool sweep_isa(const char *isa, void (*run)(void));
/* A test for each instruction set, which run side by side. */
#define TEST_ISA(suite, name, isa, run)                               \
  Test(suite, name##_##isa) {                                         \
    if (!sweep_isa(#isa, run)) cr_skip_test("this CPU has no " #isa); \
  }
#define TEST_EACH_ISA(suite, name, run) TEST_ISA(suite, name, baseline, run) TEST_ISA(suite, name, avx2, run) TEST_ISA(suite, name, avx512, run)

#endif
