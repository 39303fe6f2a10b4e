/* Convolutions by own kernels: blocks of patches times the kernel as a matrix, or direct loops where each channel is by itself. */
#include <string.h>
#include "conv_private.h"
#include "kernels_private.h"
#include "threads_private.h"

#define BLOCK ((int64_t)1 << 18) /* bytes of patches a thread, about half of a second cache, */
#define LEAST 128                /* but no fewer positions: a product of fewer rows is slow */

typedef struct job {
  cn_graph *graph;
  const cni_conv *c;
  const cni_conv_data *d;
  const cni_kernels *k;
  int64_t width;                      /* bytes of a number */
  int64_t inner, depth, columns;      /* of one group: input channels; numbers of a patch; output channels */
  int64_t first, last;                /* the block's positions of [batch, out...] */
  int64_t group;
  char *patches;                      /* [last - first, depth]; NULL: x itself */
} job;

static int64_t positions_of(const int64_t *sizes, int64_t batch) { return batch * sizes[0] * sizes[1] * sizes[2]; }
static int64_t rows_of(const int64_t *sizes, int64_t batch) { return batch * sizes[0] * sizes[1]; }
static char *at(const void *p, int64_t elements, const job *j) { return p ? (char *)(uintptr_t)p + elements * j->width : NULL; }

/* ---- by patches ---- */
static bool patches_are_x(const cni_conv *c) {
  for (int i = 0; i < 3; i++)
    if (c->kernel[i] != 1 || c->stride[i] != 1 || c->pad[i] || c->in[i] != c->out[i]) return false;
  return true;
}

static void fill_part(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  j->k->conv->patches(at(j->patches, begin * j->depth, j), j->d->x, j->c, j->group, j->first + begin, j->first + end);
}

/* The block's patches as a matrix [last - first, depth]; *lead: numbers from one row to the next. */
static const void *patches_of(job *j, int64_t *lead) {
  *lead = j->patches ? j->depth : j->c->in_channels;
  if (!j->patches) return at(j->d->x, j->first * j->c->in_channels + j->group * j->inner, j);
  cni_parallel(j->graph, j->last - j->first, CNI_GRAIN / j->depth + 1, fill_part, j);
  return j->patches;
}

/* y = f(patches kernel + bias) */
static cn_code forward_block(job *j) {
  const int64_t channel = j->group * j->columns, all = j->c->out_channels;
  cni_gemm_args a = { .dtype = (cn_dtype)j->c->dtype,
                      .m = j->last - j->first,
                      .n = j->columns,
                      .k = j->depth,
                      .b = at(j->d->kernel, channel, j),
                      .ldb = all,
                      .c = at(j->d->to, j->first * all + channel, j),
                      .ldc = all,
                      .bias = at(j->d->bias, channel, j),
                      .activation = j->d->activation,
                      .batch = 1 };
  a.a = patches_of(j, &a.lda);
  return cni_gemm(j->graph, &a);
}

/* gkernel += patches^T gy */
static cn_code kernel_block(job *j) {
  const int64_t channel = j->group * j->columns, all = j->c->out_channels;
  cni_gemm_args a = { .dtype = (cn_dtype)j->c->dtype, .transpose_a = true, .accumulate = j->first > 0, .m = j->depth, .n = j->columns, .k = j->last - j->first,
                      .b = at(j->d->gy, j->first * all + channel, j), .ldb = all, .c = at(j->d->to, channel, j), .ldc = all, .batch = 1 };
  a.a = patches_of(j, &a.lda);
  return cni_gemm(j->graph, &a);
}

/* Rows of [batch, in[0], in[1]] that the block's patches can touch: all from the first axis of more than one size on. */
typedef struct row_job { const job *j; int64_t first; } row_job;

static void add_part(void *context, int64_t begin, int64_t end) {
  const row_job *r = context;
  const job *j = r->j;
  j->k->conv->add_patches(j->d->to, j->patches, j->c, j->group, j->first, j->last, r->first + begin, r->first + end);
}

static int64_t limited(int64_t v, int64_t most) { return v < 0 ? 0 : v > most ? most : v; }

/* The row of x in which position p of y begins to read, or behind which it has ended. */
static int64_t row_seen(const cni_conv *c, int64_t p, bool end) {
  const int axis = c->in[0] == 1 && c->out[0] == 1 ? 1 : 0;
  const int64_t row = p / c->out[2], size = c->in[axis], image = row / c->out[1] / c->out[0], o = axis ? row % c->out[1] : row / c->out[1] % c->out[0];
  const int64_t begin = o * c->stride[axis] - c->pad[axis], seen = end ? begin + (c->kernel[axis] - 1) * c->dilation[axis] + 1 : begin;
  return (image * size + limited(seen, size)) * (axis ? 1 : c->in[1]);
}

/* gx += what gy kernel^T has for each patch */
static cn_code input_block(job *j) {
  const cni_conv *c = j->c;
  const int64_t channel = j->group * j->columns, all = c->out_channels;
  cni_gemm_args a = { .dtype = (cn_dtype)c->dtype,
                      .transpose_b = true,
                      .m = j->last - j->first,
                      .n = j->depth,
                      .k = j->columns,
                      .a = at(j->d->gy, j->first * all + channel, j),
                      .lda = all,
                      .b = at(j->d->kernel, channel, j),
                      .ldb = all,
                      .c = j->patches,
                      .batch = 1 };
  if (!j->patches) {
    a.c = at(j->d->to, j->first * c->in_channels + j->group * j->inner, j);
    a.ldc = c->in_channels;
  }
  const cn_code code = cni_gemm(j->graph, &a);
  if (code != CN_OK || !j->patches) return code;
  row_job r = { j, row_seen(c, j->first, false) };
  cni_parallel(j->graph, row_seen(c, j->last - 1, true) - r.first, CNI_GRAIN / (c->in[2] * j->inner) + 1, add_part, &r);
  return CN_OK;
}

static cn_code by_patches(job *j, cni_conv_kind kind) {
  static cn_code (*const blocks[])(job *) = { forward_block, input_block, kernel_block };
  const cni_conv *c = j->c;
  const int64_t positions = positions_of(c->out, c->batch), fit = cni_context_of_const(j->graph)->threads * BLOCK / (j->depth * j->width),
                most = fit < LEAST ? LEAST : fit;
  const bool whole = patches_are_x(c);
  const int64_t block = whole || most > positions ? positions : most;
  cni_buffer *buffer = whole ? NULL : cni_buffer_take(j->graph, (size_t)(block * j->depth * j->width), false);
  cn_code code = CN_OK;
  if (!whole && !buffer) return CN_NO_MEMORY;
  j->patches = buffer ? buffer->data : NULL;
  for (j->group = 0; j->group < c->groups && code == CN_OK; j->group++)
    for (j->first = 0; j->first < positions && code == CN_OK; j->first = j->last) {
      j->last = j->first + block < positions ? j->first + block : positions;
      code = blocks[kind](j);
    }
  if (buffer) cni_buffer_drop(j->graph, buffer, false);
  return code;
}

/* ---- each channel by itself ---- */
static void depthwise_part(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  const int64_t row = j->c->out[2] * j->c->out_channels;
  j->k->conv->depthwise(j->d->to, j->d->x, j->d->kernel, j->c, begin, end);
  j->k->bias_activation(at(j->d->to, begin * row, j), j->d->bias, (end - begin) * j->c->out[2], j->c->out_channels, j->d->activation);
}
static void depthwise_input_part(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  j->k->conv->depthwise_input(j->d->to, j->d->gy, j->d->kernel, j->c, begin, end);
}
static void depthwise_kernel_part(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  j->k->conv->depthwise_kernel(j->d->to, j->d->x, j->d->gy, j->c, begin, end);
}

static cn_code by_channels(job *j, cni_conv_kind kind) {
  const cni_conv *c = j->c;
  const int64_t kernel = c->kernel[0] * c->kernel[1] * c->kernel[2], y_row = c->out[2] * c->out_channels * kernel, x_row = c->in[2] * c->out_channels * kernel;
  if (kind == CNI_CONV_FORWARD) cni_parallel(j->graph, rows_of(c->out, c->batch), CNI_GRAIN / y_row + 1, depthwise_part, j);
  else if (kind == CNI_CONV_INPUT) cni_parallel(j->graph, rows_of(c->in, c->batch), CNI_GRAIN / x_row + 1, depthwise_input_part, j);
  else cni_parallel(j->graph, c->in_channels, CNI_GRAIN / (rows_of(c->out, c->batch) * c->out[2] * kernel) + 1, depthwise_kernel_part, j);
  return CN_OK;
}

/* y = f(bias), where there is nothing to sum. */
static void without_terms(job *j, cni_conv_kind kind) {
  const int64_t count = kind == CNI_CONV_FORWARD ? cni_conv_y_count(j->c) : kind == CNI_CONV_INPUT ? cni_conv_x_count(j->c) : cni_conv_kernel_count(j->c);
  memset(j->d->to, 0, (size_t)(count * j->width));
  if (kind == CNI_CONV_FORWARD) j->k->bias_activation(j->d->to, j->d->bias, count / j->c->out_channels, j->c->out_channels, j->d->activation);
}

cn_code cni_conv_own(cn_graph *g, const cni_conv *c, cni_conv_kind kind, const cni_conv_data *d) {
  const bool wide = c->dtype == CN_F64;
  job j = { .graph = g,
            .c = c,
            .d = d,
            .k = cni_context_of_const(g)->kernels[wide],
            .width = wide ? 8 : 4,
            .inner = c->in_channels / c->groups,
            .columns = c->out_channels / c->groups };
  j.depth = c->kernel[0] * c->kernel[1] * c->kernel[2] * j.inner;
  if (!cni_conv_x_count(c) || !cni_conv_y_count(c)) return without_terms(&j, kind), CN_OK;
  if (c->groups > 1 && j.inner == 1) return by_channels(&j, kind);
  if (kind == CNI_CONV_INPUT && !patches_are_x(c)) memset(d->to, 0, (size_t)(cni_conv_x_count(c) * j.width));
  return by_patches(&j, kind);
}
