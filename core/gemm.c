/* Matrix products: which engine serves which, and how own kernels are divided among threads. */
#include "gemm_memo_private.h"
#include <cblas.h>
#include <string.h>
#include "threads_private.h"

#define LARGEST_INT ((int64_t)INT32_MAX)
#define TWO_THREADS ((int64_t)1 << 17)      /* multiplications from which a product by tiles is worth a second thread */
#define TWO_THREADS_ROW ((int64_t)1 << 16)  /* elements from which a matrix times a vector is */
#define FEW_THREADS 8                       /* for which own kernels are divided well */
#define LITTLE ((int64_t)1 << 14)           /* multiplications up to which a library's call is slower than own kernels without wide vectors, */
#define MUCH ((int64_t)1 << 24)             /* and up to which it is with them, but many threads */
#define FEW_ROWS 64                         /* rows up to which a transposed b is better not packed, */
#define DEEP 128                            /* from this depth on */

static const cni_product_kernels *product_kernels(const cn_graph *g, cn_dtype dtype) { return cni_context_of_const(g)->kernels[dtype]->product; }

static void *offset(void *p, int64_t elements, cn_dtype dtype) { return (char *)p + elements * (dtype == CN_F64 ? 8 : 4); }
static const void *offset_const(const void *p, int64_t elements, cn_dtype dtype) { return p ? (const char *)p + elements * (dtype == CN_F64 ? 8 : 4) : NULL; }

/* Own kernels add the bias and are relu too, but for one column: its bias is one number, which the kernels for a row do not know. */
static bool adds_bias(const cni_gemm_args *a) { return a->n != 1; }

static inline cni_product as_product(const cni_gemm_args *a) {
  const int64_t lda = cni_lda(a), ldb = cni_ldb(a);
  return (cni_product){ .m = a->m, .n = a->n, .k = a->k,
                        .a = a->a, .a_row = a->transpose_a ? 1 : lda, .a_col = a->transpose_a ? lda : 1,
                        .b = a->b, .b_row = a->transpose_b ? 1 : ldb, .b_col = a->transpose_b ? ldb : 1,
                        .c = a->c, .c_row = cni_ldc(a), .c_col = 1,
                        .bias = adds_bias(a) ? a->bias : NULL, .accumulate = a->accumulate,
                        .relu = adds_bias(a) && a->activation == CNI_FUSED_RELU };
}

/* The product of the transposed matrices, c' = b' a'. */
static cni_product transposed(const cni_product *p) {
  return (cni_product){ .m = p->n, .n = p->m, .k = p->k, .a = p->b, .a_row = p->b_col, .a_col = p->b_row, .b = p->a, .b_row = p->a_col, .b_col = p->a_row,
                        .c = p->c, .c_row = p->c_col, .c_col = p->c_row, .accumulate = p->accumulate, .relu = p->relu };
}

/* ---- own kernels ---- */
/* Few columns, and a with contiguous columns: they fill registers better. Few rows, and b with contiguous columns: then a is packed, not b. */
static bool better_transposed(const cni_product_kernels *k, const cni_product *p) {
  if (p->bias) return false;
  if (p->n < k->lanes && p->a_row == 1) return p->m > p->n;
  const int64_t filled = (p->m + k->lanes - 1) & ~(k->lanes - 1);
  return p->b_row == 1 && p->a_col == 1 && p->m <= FEW_ROWS && 4 * p->m >= 3 * filled && p->n > p->m && p->k >= DEEP;
}

/* How threads divide a product. By depth each sums some of the terms: rows of b are divided as the loops over elements divide them, so that a thread finds its
 * part of a weight in its own cache, where it left it when it updated it. */
typedef enum { BY_ROWS, BY_COLUMNS, BY_DEPTH } division;

typedef struct job {
  const cni_kernels *kernels;
  void (*run)(const cni_product *p); /* NULL: by blocks */
  cni_product p;
  cn_dtype dtype;
  division by;
  char *scratch;
  size_t scratch_size; /* of one part */
  char *sums;          /* by depth: of all parts but the first, [m, n] each */
  int64_t parts;
} job;

/* Part i of what the job divides: units of 8 rows or terms, or of as many columns as a line has, which are whole registers: only the last part has a ragged
 * edge. */
static cni_product part_of(const job *j, int64_t i) {
  cni_product p = j->p;
  const int64_t unit = j->by == BY_COLUMNS ? 64 / (j->dtype == CN_F64 ? 8 : 4) : 8, size = j->by == BY_ROWS ? p.m : j->by == BY_COLUMNS ? p.n : p.k;
  const int64_t units = (size + unit - 1) / unit, begin = units * i / j->parts * unit, stop = units * (i + 1) / j->parts * unit,
                end = stop < size ? stop : size;
  switch (j->by) {
  case BY_ROWS:
    p.a = offset_const(p.a, begin * p.a_row, j->dtype);
    p.c = offset(p.c, begin * p.c_row, j->dtype);
    p.m = end - begin;
    break;
  case BY_COLUMNS:
    p.b = offset_const(p.b, begin * p.b_col, j->dtype);
    p.bias = offset_const(p.bias, begin, j->dtype);
    p.c = offset(p.c, begin * p.c_col, j->dtype);
    p.n = end - begin;
    break;
  case BY_DEPTH:
    p.a = offset_const(p.a, begin * p.a_col, j->dtype);
    p.b = offset_const(p.b, begin * p.b_row, j->dtype);
    p.k = end - begin;
    p.relu = false;
    if (i) p.c = offset(j->sums, (i - 1) * p.m * p.n, j->dtype), p.c_row = p.n, p.accumulate = false, p.bias = NULL;
    break;
  }
  return p;
}

static void run_parts(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  for (int64_t i = begin; i < end; i++) {
    const cni_product p = part_of(j, i);
    if (p.m <= 0 || p.n <= 0) continue;
    if (!j->run) j->kernels->product->blocks(&p, j->scratch ? j->scratch + (size_t)i * j->scratch_size : NULL);
    else j->run(&p);
  }
}

static int64_t parts_for(const cn_graph *g, int64_t work, int64_t least) {
  const int64_t threads = cni_context_of_const(g)->threads;
  return threads < 2 || work < least ? 1 : threads;
}

int64_t cni_gemm_parts(const cn_graph *g, int64_t multiplications) { return parts_for(g, multiplications, TWO_THREADS); }

/* Rows of c: the sum of the parts, and relu. */
static void add_parts(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  const cni_product *p = &j->p;
  const cni_kernels *k = j->kernels;
  for (int64_t row = begin; row < end; row++) {
    char *c = offset(p->c, row * p->c_row, j->dtype);
    for (int64_t i = 1; i < j->parts; i++) k->add(c, c, offset(j->sums, ((i - 1) * p->m + row) * p->n, j->dtype), p->n, 1, 1);
    if (p->relu) k->bias_activation(c, NULL, 1, p->n, CNI_FUSED_RELU);
  }
}

static cn_code in_parts(cn_graph *g, job *j) {
  const cni_product *p = &j->p;
  const size_t parts = (size_t)j->parts, sums = j->by == BY_DEPTH ? (parts - 1) * (size_t)(p->m * p->n) * (j->dtype == CN_F64 ? 8 : 4) : 0,
               size = parts * j->scratch_size + sums;
  cni_buffer *buffer = size ? cni_buffer_take(g, size, false) : NULL;
  if (size && !buffer) return CN_NO_MEMORY;
  j->scratch = j->scratch_size ? buffer->data : NULL;
  j->sums = sums ? (char *)buffer->data + parts * j->scratch_size : NULL;
  cni_parallel(g, j->parts, 1, run_parts, j);
  if (j->by == BY_DEPTH) cni_parallel(g, p->m, CNI_GRAIN / p->n + 1, add_parts, j);
  if (buffer) cni_buffer_drop(g, buffer, false);
  return CN_OK;
}

/* The parts' sums are small beside b, whose rows are contiguous. */
static bool is_deep(const cni_product *p, int64_t parts) {
  return parts > 1 && parts <= FEW_THREADS && p->b_col == 1 && p->c_col == 1 && 8 * parts * p->m <= p->k && p->k * p->n >= TWO_THREADS_ROW;
}

static cn_code by_tiles(cn_graph *g, job *j) {
  const cni_product *p = &j->p;
  j->parts = cni_gemm_parts(g, p->m * p->n * p->k);
  j->by = is_deep(p, j->parts) ? BY_DEPTH : p->m >= p->n ? BY_ROWS : BY_COLUMNS;
  j->scratch_size = (j->kernels->product->scratch(p) + 63) & ~(size_t)63;
  return in_parts(g, j);
}

static cn_code by_memory(cn_graph *g, job *j, void (*run)(const cni_product *p), bool outer, int64_t elements) {
  j->run = run;
  j->parts = parts_for(g, elements, TWO_THREADS_ROW);
  j->by = outer ? BY_ROWS : is_deep(&j->p, j->parts) ? BY_DEPTH : BY_COLUMNS;
  return in_parts(g, j);
}

typedef void (*whole_product)(const cni_product *p);

/* m n k <= limit, without a division. */
static inline bool is_at_most(int64_t m, int64_t n, int64_t k, int64_t limit) {
  return m <= limit && n <= limit && k <= limit && m * n <= limit && m * n * k <= limit;
}

/* The kernel that does p whole on one thread and without scratch memory, or NULL. p is transposed where that serves it better. */
static inline whole_product kernel_of(const cni_product_kernels *k, cni_product *p, bool *flipped) {
  *flipped = p->m != 1 && ((p->n == 1 && p->c_row == 1) || ((p->k != 1 || p->b_col != 1) && better_transposed(k, p)));
  if (*flipped) *p = transposed(p);
  if (p->m == 1 && p->c_col == 1) return k->row;
  if (p->k == 1 && p->b_col == 1 && p->c_col == 1) return k->outer;
  return is_at_most(p->m, p->n, p->k, TWO_THREADS) && k->fits_small(p) ? k->small : NULL;
}

static cn_code by_own(cn_graph *g, const cni_gemm_args *a) {
  const cni_product_kernels *k = product_kernels(g, a->dtype);
  cni_product p = as_product(a);
  bool flipped;
  const whole_product run = kernel_of(k, &p, &flipped);
  const int64_t elements = run == k->outer ? p.m * p.n : p.n * p.k;
  if (run && (run == k->small || parts_for(g, elements, TWO_THREADS_ROW) == 1)) return run(&p), CN_OK;
  job j = { .kernels = cni_context_of_const(g)->kernels[a->dtype], .p = p, .dtype = a->dtype };
  return run ? by_memory(g, &j, run, run == k->outer, elements) : by_tiles(g, &j);
}

/* ---- libraries ---- */
static bool fits_int(const cni_gemm_args *a) {
  return a->m <= LARGEST_INT && a->n <= LARGEST_INT && a->k <= LARGEST_INT && a->lda <= LARGEST_INT && a->ldb <= LARGEST_INT && a->ldc <= LARGEST_INT;
}

static cn_code by_blas(const cni_gemm_args *a) {
  if (!fits_int(a)) return CN_UNSUPPORTED;
  const CBLAS_TRANSPOSE ta = a->transpose_a ? CblasTrans : CblasNoTrans, tb = a->transpose_b ? CblasTrans : CblasNoTrans;
  const int m = (int)a->m, n = (int)a->n, k = (int)a->k, lda = (int)cni_lda(a), ldb = (int)cni_ldb(a), ldc = (int)cni_ldc(a);
  if (a->dtype == CN_F64) cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1, a->a, lda, a->b, ldb, a->accumulate ? 1 : 0, a->c, ldc);
  else cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, a->a, lda, a->b, ldb, a->accumulate ? 1 : 0, a->c, ldc);
  return CN_OK;
}

typedef struct finish_job { const cni_kernels *kernels; const cni_gemm_args *a; const void *bias; int activation; } finish_job;

static void finish_rows(void *context, int64_t begin, int64_t end) {
  const finish_job *f = context;
  const cni_gemm_args *a = f->a;
  if (cni_ldc(a) == a->n) {
    f->kernels->bias_activation(offset(a->c, begin * a->n, a->dtype), f->bias, end - begin, a->n, f->activation);
    return;
  }
  for (int64_t i = begin; i < end; i++) f->kernels->bias_activation(offset(a->c, i * cni_ldc(a), a->dtype), f->bias, 1, a->n, f->activation);
}

/* What the engine left to be done to c. */
static void finish(cn_graph *g, const cni_gemm_args *a, const void *bias, int activation) {
  if (!bias && activation == CNI_FUSED_NONE) return;
  finish_job f = { cni_context_of_const(g)->kernels[a->dtype], a, bias, activation };
  cni_parallel(g, a->m, CNI_GRAIN / a->n + 1, finish_rows, &f);
}

/* ---- the rule ----
 * Own kernels wherever vectors are wide and threads are few: measured by bench/micro (AMD EPYC, Zen 4, 2 cores, AVX-512, peak 236 GFLOP/s; OpenBLAS 0.3.21
 * with its Cooperlake kernels, oneDNN 2.6.3), GFLOP/s with two threads, OpenBLAS / oneDNN / own:
 *   forward  1 x 512 x 784    45 /  87 /  95     32 x 512 x 784   160 / 224 / 230    128 x 512 x 784   192 / 224 / 231    1024 x 512 x 512   199 / 221 / 216
 *   dX       1 x 512 x 512    49 /  90 /  89     32 x 512 x 512   146 /  59 / 212    128 x 512 x 512   186 / 133 / 219    1024 x 512 x 512   200 / 174 / 212
 *   dW       784 x 512 x 1    23 /  24 /  84     784 x 512 x 32   145 / 202 / 193    784 x 512 x 128   198 / 223 / 222    784 x 512 x 1024   203 / 217 / 211
 *   narrow   128 x 10 x 512   72 /  91 / 123     1024 x 10 x 512   53 /  98 / 136    512 x 10 x 1024    42 /  96 / 197    32 x 16 x 16        90 /  36 /  83
 * On Intel (Xeon, Cascade Lake, peak 307) the same: 32 x 512 x 784 98 / 208 / 190, dX 32 x 512 x 512 94 / 62 / 223, 128 x 512 x 784 187 / 241 / 239,
 * 784 x 512 x 128 192 / 247 / 253, 1024 x 512 x 784 228 / 232 / 241, 784 x 512 x 1024 215 / 198 / 230, 2048 x 2048 x 256 203 / 253 / 208.
 * Without AVX2 the libraries choose better kernels than the baseline's for the CPU that is there; own kernels divide one dimension only, which many threads
 * outgrow. */
cni_gemm_engine cni_gemm_pick(const cn_graph *g, const cni_gemm_args *a) {
  const cni_context *c = cni_context_of_const(g);
  const bool wide = product_kernels(g, a->dtype)->lanes * (a->dtype == CN_F64 ? 8 : 4) > 16;
  if ((wide && c->threads <= FEW_THREADS) || !fits_int(a)) return CNI_GEMM_OWN;
  if (a->m == 1 || a->n == 1 || a->k <= 1 || a->m * a->n <= (wide ? MUCH : LITTLE) / a->k) return CNI_GEMM_OWN;
  return a->dtype == CN_F32 && !a->transpose_b && cni_onednn_there() ? CNI_GEMM_ONEDNN : CNI_GEMM_BLAS;
}

/* What own kernels leave to be done. */
static const void *bias_left(const cni_gemm_args *a) { return adds_bias(a) ? NULL : a->bias; }
static int activation_left(const cni_gemm_args *a) { return adds_bias(a) && a->activation == CNI_FUSED_RELU ? CNI_FUSED_NONE : a->activation; }

/* One product, sizes at least 1. */
static cn_code product(cn_graph *g, const cni_gemm_args *a, cni_gemm_engine engine) {
  const bool own = engine == CNI_GEMM_OWN;
  const cn_code code = own ? by_own(g, a) : engine == CNI_GEMM_ONEDNN ? cni_onednn_gemm(g, a) : by_blas(a);
  if (code != CN_OK) return code;
  finish(g, a, own ? bias_left(a) : a->bias, own ? activation_left(a) : a->activation);
  return CN_OK;
}

/* c = f(bias) for k = 0. */
static void without_terms(cn_graph *g, const cni_gemm_args *a) {
  if (a->accumulate) return;
  for (int64_t i = 0; i < a->m; i++) memset(offset(a->c, i * cni_ldc(a), a->dtype), 0, (size_t)a->n * (a->dtype == CN_F64 ? 8 : 4));
  finish(g, a, a->bias, a->activation);
}

/* ---- batches ---- */
typedef struct batch_job { cn_graph *graph; const cni_gemm_args *args; cni_gemm_engine engine; cn_code code; } batch_job;

static void some_products(void *context, int64_t begin, int64_t end) {
  batch_job *j = context;
  const cni_gemm_args *args = j->args;
  cni_gemm_args a = *args;
  for (int64_t i = begin; i < end && j->code == CN_OK; i++) {
    a.a = offset_const(args->a, i * a.stride_a, a.dtype);
    a.b = offset_const(args->b, i * a.stride_b, a.dtype);
    a.c = offset(args->c, i * a.stride_c, a.dtype);
    if (a.k <= 0) without_terms(j->graph, &a);
    else j->code = product(j->graph, &a, j->engine);
  }
}

/* Many products that are each one call of a kernel: threads share the batch. */
typedef struct small_job { cni_product p; whole_product run; int64_t a, b, c; /* bytes from one product to the next */ } small_job;

static void some_small(void *context, int64_t begin, int64_t end) {
  const small_job *j = context;
  cni_product p = j->p;
  for (int64_t i = begin; i < end; i++) {
    p.a = (const char *)j->p.a + i * j->a;
    p.b = (const char *)j->p.b + i * j->b;
    p.c = (char *)j->p.c + i * j->c;
    j->run(&p);
  }
}

static bool by_small(cn_graph *g, const cni_gemm_args *a) {
  if (a->bias || a->activation != CNI_FUSED_NONE || a->k <= 0 || a->m * a->n > TWO_THREADS_ROW / a->k) return false;
  const int64_t width = a->dtype == CN_F64 ? 8 : 4;
  bool flipped;
  small_job j = { .p = as_product(a), .c = a->stride_c * width };
  if (!(j.run = kernel_of(product_kernels(g, a->dtype), &j.p, &flipped))) return false;
  j.a = (flipped ? a->stride_b : a->stride_a) * width;
  j.b = (flipped ? a->stride_a : a->stride_b) * width;
  cni_parallel(g, a->batch, TWO_THREADS_ROW / (a->m * a->n * a->k) + 1, some_small, &j);
  return true;
}

cn_code cni_gemm_by(cn_graph *g, const cni_gemm_args *a, cni_gemm_engine engine) {
  if (a->m <= 0 || a->n <= 0 || a->batch <= 0) return CN_OK;
  batch_job j = { g, a, engine == CNI_GEMM_AUTO ? cni_gemm_pick(g, a) : engine, CN_OK };
  if (a->batch == 1) return a->k > 0 ? product(g, a, j.engine) : (without_terms(g, a), (cn_code)CN_OK);
  if (j.engine != CNI_GEMM_OWN || !by_small(g, a)) some_products(&j, 0, a->batch);
  return j.code;
}

/* ---- on one thread ---- */
size_t cni_gemm_scratch(const cn_graph *g, const cni_gemm_args *a) {
  const cni_product p = as_product(a);
  return product_kernels(g, a->dtype)->scratch(&p);
}

void cni_gemm_alone(const cn_graph *g, const cni_gemm_args *a, void *scratch) {
  const cni_product p = as_product(a);
  const cni_kernels *k = cni_context_of_const(g)->kernels[a->dtype];
  finish_job f = { k, a, bias_left(a), activation_left(a) };
  k->product->blocks(&p, scratch);
  if (f.bias || f.activation != CNI_FUSED_NONE) finish_rows(&f, 0, a->m);
}

/* A product that is over before a library or a thread could begin: by one of our kernels. */
static bool little(const cn_graph *g, const cni_gemm_args *a, cni_gemm_memo *memo) {
  if (a->batch != 1 || a->m <= 0 || a->n <= 0 || a->k <= 0 || !is_at_most(a->m, a->n, a->k, LITTLE) || cni_ldc(a) != a->n) return false;
  const cni_kernels *k = cni_context_of_const(g)->kernels[a->dtype];
  memo->p = as_product(a);
  memo->m = a->m;
  memo->n = a->n;
  memo->activation = activation_left(a);
  memo->finish = memo->activation != CNI_FUSED_NONE || bias_left(a) ? k->bias_activation : NULL;
  memo->run = kernel_of(k->product, &memo->p, &memo->transposed);
  return memo->run != NULL;
}

cn_code cni_gemm_first(cn_graph *g, const cni_gemm_args *a, cni_gemm_memo *memo) {
  cni_gemm_memo own;
  if (!memo) memo = &own;
  return little(g, a, memo) && cni_gemm_again(memo, a->a, a->b, a->bias, a->c) ? CN_OK : cni_gemm_by(g, a, CNI_GEMM_AUTO);
}
cn_code cni_gemm(cn_graph *g, const cni_gemm_args *a) { return cni_gemm_first(g, a, NULL); }
