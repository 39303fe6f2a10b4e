/* Matrix products: which engine serves which, and how own kernels are divided among threads. */
#include "gemm_private.h"
#include <cblas.h>
#include <string.h>
#include "kernels_product_private.h"
#include "threads_private.h"

#define LARGEST_INT ((int64_t)INT32_MAX)
#define TWO_THREADS ((int64_t)1 << 18)      /* multiplications from which a product by tiles is worth a second thread */
#define TWO_THREADS_ROW ((int64_t)1 << 16)  /* elements from which a matrix times a vector is */
#define MOST_SMALL ((int64_t)1 << 17)       /* multiplications up to which packing does not pay */

static const cni_product_kernels *product_kernels(const cn_graph *g, cn_dtype dtype) { return cni_context_of_const(g)->kernels[dtype == CN_F64]->product; }

static void *offset(void *p, int64_t elements, cn_dtype dtype) { return (char *)p + elements * (dtype == CN_F64 ? 8 : 4); }
static const void *offset_const(const void *p, int64_t elements, cn_dtype dtype) { return p ? (const char *)p + elements * (dtype == CN_F64 ? 8 : 4) : NULL; }

/* Leading dimensions filled in. */
static cni_gemm_args complete(const cni_gemm_args *a) {
  cni_gemm_args c = *a;
  if (!c.lda) c.lda = c.transpose_a ? c.m : c.k;
  if (!c.ldb) c.ldb = c.transpose_b ? c.k : c.n;
  if (!c.ldc) c.ldc = c.n;
  return c;
}

static cni_product as_product(const cni_gemm_args *a) {
  return (cni_product){ .m = a->m, .n = a->n, .k = a->k,
                        .a = a->a, .a_row = a->transpose_a ? 1 : a->lda, .a_col = a->transpose_a ? a->lda : 1,
                        .b = a->b, .b_row = a->transpose_b ? 1 : a->ldb, .b_col = a->transpose_b ? a->ldb : 1,
                        .c = a->c, .c_row = a->ldc, .c_col = 1,
                        .bias = a->bias, .accumulate = a->accumulate, .relu = a->activation == CNI_FUSED_RELU };
}

/* The product of the transposed matrices, c' = b' a'. */
static cni_product transposed(const cni_product *p) {
  return (cni_product){ .m = p->n, .n = p->m, .k = p->k, .a = p->b, .a_row = p->b_col, .a_col = p->b_row, .b = p->a, .b_row = p->a_col, .b_col = p->a_row,
                        .c = p->c, .c_row = p->c_col, .c_col = p->c_row, .accumulate = p->accumulate, .relu = p->relu };
}

/* ---- own kernels ------------------------------------------------------------------------------------------------------------------------------------------------- */
typedef enum { BY_ROW, BY_COLUMN, BY_OUTER, BY_SMALL, BY_TILES } way;

static way way_of(const cni_product_kernels *k, const cni_product *p) {
  if (p->m == 1) return BY_ROW;
  if (p->n == 1 && p->c_row == 1 && !p->bias) return BY_COLUMN;
  if (p->k == 1 && p->b_col == 1) return BY_OUTER;
  if (p->m * p->n <= MOST_SMALL / p->k && k->fits_small(p->n, p->k, p->b_col == 1)) return BY_SMALL;
  return BY_TILES;
}

typedef struct job { const cni_product_kernels *kernels; void (*run)(const cni_product *p); cni_product p; cn_dtype dtype; bool by_rows; char *scratch; size_t scratch_size; int64_t parts; } job;

/* Part i of the job's rows or columns; units of a whole tile, so that only the last part has a ragged edge. */
static cni_product part_of(const job *j, int64_t i) {
  cni_product p = j->p;
  const int64_t unit = j->by_rows ? 8 : j->kernels->columns, size = j->by_rows ? p.m : p.n, units = (size + unit - 1) / unit;
  const int64_t begin = units * i / j->parts * unit, stop = units * (i + 1) / j->parts * unit, end = stop < size ? stop : size;
  if (j->by_rows) {
    p.a = offset_const(p.a, begin * p.a_row, j->dtype);
    p.c = offset(p.c, begin * p.c_row, j->dtype);
    p.m = end - begin;
  } else {
    p.b = offset_const(p.b, begin * p.b_col, j->dtype);
    p.bias = offset_const(p.bias, begin, j->dtype);
    p.c = offset(p.c, begin * p.c_col, j->dtype);
    p.n = end - begin;
  }
  return p;
}

static void run_parts(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  for (int64_t i = begin; i < end; i++) {
    const cni_product p = part_of(j, i);
    if (p.m <= 0 || p.n <= 0) continue;
    if (j->scratch) j->kernels->packed(&p, j->scratch + (size_t)i * j->scratch_size);
    else j->run(&p);
  }
}

static int64_t parts_for(const cn_graph *g, int64_t work, int64_t least) {
  const int64_t threads = cni_context_of_const(g)->threads;
  return threads < 2 || work < least ? 1 : threads;
}

static cn_code by_tiles(cn_graph *g, job *j) {
  const cni_product *p = &j->p;
  j->parts = parts_for(g, p->m * p->n * p->k, TWO_THREADS);
  j->by_rows = p->m >= p->n;
  j->scratch_size = (j->kernels->scratch(p->m, p->n, p->k) + 63) & ~(size_t)63;
  cni_buffer *buffer = cni_buffer_take(g, j->scratch_size * (size_t)j->parts, false);
  if (!buffer) return CN_NO_MEMORY;
  j->scratch = buffer->data;
  cni_parallel(g, j->parts, 1, run_parts, j);
  cni_buffer_drop(g, buffer, false);
  return CN_OK;
}

static void by_memory(cn_graph *g, job *j, void (*run)(const cni_product *p), bool by_rows, int64_t elements) {
  j->run = run;
  j->by_rows = by_rows;
  j->parts = parts_for(g, elements, TWO_THREADS_ROW);
  if (j->parts == 1) run(&j->p);
  else cni_parallel(g, j->parts, 1, run_parts, j);
}

static cn_code by_own(cn_graph *g, const cni_gemm_args *a) {
  job j = { .kernels = product_kernels(g, a->dtype), .p = as_product(a), .dtype = a->dtype };
  switch (way_of(j.kernels, &j.p)) {
    case BY_ROW: return by_memory(g, &j, j.kernels->row, false, j.p.n * j.p.k), CN_OK;
    case BY_COLUMN:
      j.p = transposed(&j.p);
      return by_memory(g, &j, j.kernels->row, false, j.p.n * j.p.k), CN_OK;
    case BY_OUTER: return by_memory(g, &j, j.kernels->outer, true, j.p.m * j.p.n), CN_OK;
    case BY_SMALL: return j.kernels->small(&j.p), CN_OK;
    default: break;
  }
  /* Few columns and a with contiguous columns: its rows make better registers. */
  if (j.p.n < j.kernels->lanes && j.p.a_row == 1 && !j.p.bias && j.p.m > j.p.n) j.p = transposed(&j.p);
  return by_tiles(g, &j);
}

/* ---- libraries --------------------------------------------------------------------------------------------------------------------------------------------------- */
static bool fits_int(const cni_gemm_args *a) {
  return a->m <= LARGEST_INT && a->n <= LARGEST_INT && a->k <= LARGEST_INT && a->lda <= LARGEST_INT && a->ldb <= LARGEST_INT && a->ldc <= LARGEST_INT;
}

static cn_code by_blas(const cni_gemm_args *a) {
  if (!fits_int(a)) return CN_UNSUPPORTED;
  const CBLAS_TRANSPOSE ta = a->transpose_a ? CblasTrans : CblasNoTrans, tb = a->transpose_b ? CblasTrans : CblasNoTrans;
  const int m = (int)a->m, n = (int)a->n, k = (int)a->k, lda = (int)a->lda, ldb = (int)a->ldb, ldc = (int)a->ldc;
  if (a->dtype == CN_F64) cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1, a->a, lda, a->b, ldb, a->accumulate ? 1 : 0, a->c, ldc);
  else cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, a->a, lda, a->b, ldb, a->accumulate ? 1 : 0, a->c, ldc);
  return CN_OK;
}

typedef struct finish_job { const cni_kernels *kernels; const cni_gemm_args *a; const void *bias; int activation; } finish_job;

static void finish_rows(void *context, int64_t begin, int64_t end) {
  const finish_job *f = context;
  const cni_gemm_args *a = f->a;
  if (a->ldc == a->n) {
    f->kernels->bias_activation(offset(a->c, begin * a->n, a->dtype), f->bias, end - begin, a->n, f->activation);
    return;
  }
  for (int64_t i = begin; i < end; i++) f->kernels->bias_activation(offset(a->c, i * a->ldc, a->dtype), f->bias, 1, a->n, f->activation);
}

/* What the engine left to be done to c. */
static void finish(cn_graph *g, const cni_gemm_args *a, const void *bias, int activation) {
  if (!bias && activation == CNI_FUSED_NONE) return;
  finish_job f = { cni_context_of_const(g)->kernels[a->dtype == CN_F64], a, bias, activation };
  cni_parallel(g, a->m, CNI_GRAIN / a->n + 1, finish_rows, &f);
}

/* ---- the rule ---------------------------------------------------------------------------------------------------------------------------------------------------- */
cni_gemm_engine cni_gemm_pick(const cn_graph *g, const cni_gemm_args *args) {
  (void)g, (void)args;
  return CNI_GEMM_OWN;
}

/* One product, sizes at least 1, leading dimensions complete. */
static cn_code product(cn_graph *g, const cni_gemm_args *a, cni_gemm_engine engine) {
  cn_code code;
  if (engine == CNI_GEMM_OWN) {
    cni_gemm_args own = *a;
    const bool column = a->n == 1 && a->m > 1;
    if (column) own.bias = NULL, own.activation = CNI_FUSED_NONE;
    code = by_own(g, &own);
    if (code == CN_OK) finish(g, a, column ? a->bias : NULL, column || a->activation != CNI_FUSED_RELU ? a->activation : CNI_FUSED_NONE);
    return code;
  }
  code = engine == CNI_GEMM_ONEDNN ? cni_onednn_gemm(g, a) : by_blas(a);
  if (code == CN_OK) finish(g, a, a->bias, a->activation);
  return code;
}

/* c = f(bias) for k = 0. */
static void without_terms(cn_graph *g, const cni_gemm_args *a) {
  if (a->accumulate) return;
  for (int64_t i = 0; i < a->m; i++) memset(offset(a->c, i * a->ldc, a->dtype), 0, (size_t)a->n * (a->dtype == CN_F64 ? 8 : 4));
  finish(g, a, a->bias, a->activation);
}

cn_code cni_gemm_by(cn_graph *g, const cni_gemm_args *args, cni_gemm_engine engine) {
  if (args->m <= 0 || args->n <= 0 || args->batch <= 0) return CN_OK;
  cni_gemm_args a = complete(args);
  if (engine == CNI_GEMM_AUTO) engine = cni_gemm_pick(g, &a);
  for (int64_t i = 0; i < args->batch; i++) {
    a.a = offset_const(args->a, i * a.stride_a, a.dtype);
    a.b = offset_const(args->b, i * a.stride_b, a.dtype);
    a.c = offset(args->c, i * a.stride_c, a.dtype);
    if (a.k <= 0) {
      without_terms(g, &a);
      continue;
    }
    const cn_code code = product(g, &a, engine);
    if (code != CN_OK) return code;
  }
  return CN_OK;
}

cn_code cni_gemm(cn_graph *g, const cni_gemm_args *a) { return cni_gemm_by(g, a, CNI_GEMM_AUTO); }
