/* The seam through which all matrix products go: OpenBLAS, oneDNN or own kernels, picked per shape and transposition by a measured rule. */
#ifndef CN_CORE_GEMM_PRIVATE_H
#define CN_CORE_GEMM_PRIVATE_H
#include "context_private.h"

/* What is done to the finished product, in the same pass: f(c + bias). */
enum { CNI_FUSED_NONE, CNI_FUSED_RELU, CNI_FUSED_TANH, CNI_FUSED_SIGMOID, CNI_FUSED_COUNT };

/* c [batch, m, n] = f(op(a) op(b) + bias), or c += op(a) op(b). Row-major; op(a) [m, k]: a is stored [k, m] when transpose_a; op(b) [k, n]: b is stored
 * [n, k] when transpose_b.
 * Leading dimensions count elements between the starts of stored rows; 0 means packed. c overlaps no input. */
typedef struct cni_gemm_args {
  cn_dtype dtype;                        /* CN_F32 or CN_F64 */
  bool transpose_a, transpose_b;
  bool accumulate;                       /* c += product; bias and activation must be empty then */
  int activation;                        /* CNI_FUSED_* */
  int64_t m, n, k;                       /* k = 0 gives f(bias), or leaves c when accumulating */
  const void *a, *b;
  const void *bias;                      /* [n], added to each row, or NULL */
  void *c;
  int64_t lda, ldb, ldc;
  int64_t batch;                         /* number of products; 1 for one, 0 does nothing */
  int64_t stride_a, stride_b, stride_c;  /* elements from one product's matrices to the next's; 0 shares an input */
} cni_gemm_args;
static inline int64_t cni_lda(const cni_gemm_args *a) { return a->lda ? a->lda : a->transpose_a ? a->m : a->k; }
static inline int64_t cni_ldb(const cni_gemm_args *a) { return a->ldb ? a->ldb : a->transpose_b ? a->k : a->n; }
static inline int64_t cni_ldc(const cni_gemm_args *a) { return a->ldc ? a->ldc : a->n; }

/* CN_OK; CN_NO_MEMORY or CN_UNSUPPORTED (a leading dimension above INT32_MAX that no kernel takes) after reporting it. Called outside parallel regions only. */
cn_code cni_gemm(cn_graph *g, const cni_gemm_args *a);

/* One product by own kernels on the calling thread, inside parallel regions too; the scratch memory serves products of fewer rows or less depth as well. */
size_t cni_gemm_scratch(const cn_graph *g, const cni_gemm_args *a);
void cni_gemm_alone(const cn_graph *g, const cni_gemm_args *a, void *scratch);
/* Threads that so many multiplications are worth dividing among. */
int64_t cni_gemm_parts(const cn_graph *g, int64_t multiplications);

/* Who computed: for reports, tests and benchmarks. */
typedef enum { CNI_GEMM_AUTO, CNI_GEMM_OWN, CNI_GEMM_BLAS, CNI_GEMM_ONEDNN } cni_gemm_engine;

/* The engine that cni_gemm picks for these arguments (one product). */
cni_gemm_engine cni_gemm_pick(const cn_graph *g, const cni_gemm_args *a);
/* As cni_gemm, by a given engine; CN_UNSUPPORTED without a report where that engine is not there or does not take these arguments. */
cn_code cni_gemm_by(cn_graph *g, const cni_gemm_args *a, cni_gemm_engine engine);

/* onednn.c */
bool cni_onednn_there(void);
/* "2.6.3", or "no". */
const char *cni_onednn_version(char *text, size_t size);
/* One product by oneDNN; CN_UNSUPPORTED, without a report, where it does not take the arguments. */
cn_code cni_onednn_gemm(cn_graph *g, const cni_gemm_args *a);

#endif
