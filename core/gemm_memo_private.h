/* Little products that are run again and again. */
#ifndef CN_CORE_GEMM_MEMO_PRIVATE_H
#define CN_CORE_GEMM_MEMO_PRIVATE_H
#include "gemm_private.h"
#include "kernels_product_private.h"

/* What a little product, run again and again with the same sizes, keeps of its first run. Zeros at first. */
typedef struct cni_gemm_memo {
  cni_product p;
  void (*run)(const cni_product *p);                                                        /* NULL: nothing is kept */
  void (*finish)(void *c, const void *bias, int64_t rows, int64_t n, int activation);       /* or NULL */
  int64_t m, n;
  int activation;
  bool transposed;
} cni_gemm_memo;
/* As cni_gemm; fills the memo (or NULL) where the product is a little one. */
cn_code cni_gemm_first(cn_graph *g, const cni_gemm_args *a, cni_gemm_memo *memo);
/* The same product of other matrices; false, and nothing done, where the memo (or NULL) has none. */
static inline bool cni_gemm_again(cni_gemm_memo *memo, const void *a, const void *b, const void *bias, void *c) {
  if (!memo || !memo->run) return false;
  memo->p.a = memo->transposed ? b : a;
  memo->p.b = memo->transposed ? a : b;
  memo->p.c = c;
  if (memo->p.bias) memo->p.bias = bias;
  memo->run(&memo->p);
  if (memo->finish) memo->finish(c, memo->p.bias ? NULL : bias, memo->m, memo->n, memo->activation);
  return true;
}

#endif
