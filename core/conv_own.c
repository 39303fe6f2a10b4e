/* Convolutions by own kernels: blocks of patches times the kernel as a matrix, or direct loops where each channel is by itself. */
#include <string.h>
#include "conv_private.h"
#include "kernels_private.h"
#include "threads_private.h"

#define BLOCK ((int64_t)1 << 18) /* bytes of patches a thread, about half of a second cache, */
#define LEAST 64                 /* but no fewer positions: a product of fewer rows is slow */
#define BROAD 16                 /* input channels of a group from which they fill registers as the columns of a product */
#define OWN_GRADIENT ((int64_t)1 << 20) /* bytes of a kernel's gradient up to which each thread sums one of its own */

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
static cni_gemm_args forward_args(const job *j) {
  const int64_t channel = j->group * j->columns, all = j->c->out_channels;
  return (cni_gemm_args){ .dtype = (cn_dtype)j->c->dtype, .m = j->last - j->first, .n = j->columns, .k = j->depth, .a = j->patches,
                          .b = at(j->d->kernel, channel, j), .ldb = all, .c = at(j->d->to, j->first * all + channel, j), .ldc = all,
                          .bias = at(j->d->bias, channel, j), .activation = j->d->activation, .batch = 1 };
}

/* gkernel += patches^T gy */
static cni_gemm_args kernel_args(const job *j) {
  const int64_t channel = j->group * j->columns, all = j->c->out_channels;
  return (cni_gemm_args){ .dtype = (cn_dtype)j->c->dtype, .transpose_a = true, .accumulate = j->first > 0, .m = j->depth, .n = j->columns,
                          .k = j->last - j->first, .a = j->patches, .b = at(j->d->gy, j->first * all + channel, j), .ldb = all,
                          .c = at(j->d->to, channel, j), .ldc = all, .batch = 1 };
}

static cni_gemm_args args_of(const job *j, cni_conv_kind kind) { return kind == CNI_CONV_FORWARD ? forward_args(j) : kernel_args(j); }

/* A block of the forward pass or of the kernel's gradient. */
static cn_code product_block(job *j, cni_conv_kind kind) {
  cni_gemm_args a = args_of(j, kind);
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

static cn_code by_blocks(job *j, cni_conv_kind kind) {
  const cni_conv *c = j->c;
  const int64_t positions = positions_of(c->out, c->batch), fit = cni_context_of_const(j->graph)->threads * BLOCK / (j->depth * j->width),
                most = fit < 2 * LEAST ? 2 * LEAST : fit;
  const bool whole = patches_are_x(c);
  const int64_t block = whole || most > positions ? positions : most;
  cni_buffer *buffer = whole ? NULL : cni_buffer_take(j->graph, (size_t)(block * j->depth * j->width), false);
  cn_code code = CN_OK;
  if (!whole && !buffer) return CN_NO_MEMORY;
  j->patches = buffer ? buffer->data : NULL;
  for (j->first = 0; j->first < positions && code == CN_OK; j->first = j->last) {
    j->last = j->first + block < positions ? j->first + block : positions;
    code = kind == CNI_CONV_INPUT ? input_block(j) : product_block(j, kind);
  }
  if (buffer) cni_buffer_drop(j->graph, buffer, false);
  return code;
}

/* ---- by patches, a part of the positions a thread: what it copies it multiplies itself ---- */
typedef struct crew {
  const job *j;
  cni_conv_kind kind;
  int64_t positions, parts, block;
  char *memory;                       /* of each part: patches, scratch, and of all but the first a kernel's gradient of its own */
  int64_t patches, scratch, each;
} crew;

static void run_block(const crew *w, job *j, int64_t part, bool begun, char *memory) {
  cni_gemm_args a = args_of(j, w->kind);
  j->k->conv->patches(j->patches, j->d->x, j->c, j->group, j->first, j->last);
  if (w->kind == CNI_CONV_KERNEL) a.accumulate = begun;
  if (w->kind == CNI_CONV_KERNEL && part) a.c = memory + w->patches + w->scratch, a.ldc = j->columns;
  cni_gemm_alone(j->graph, &a, memory + w->patches);
}

static void crew_part(void *context, int64_t begin, int64_t end) {
  const crew *w = context;
  for (int64_t part = begin; part < end; part++) {
    const int64_t first = w->positions * part / w->parts, last = w->positions * (part + 1) / w->parts;
    char *memory = w->memory + part * w->each;
    job j = *w->j;
    j.patches = memory;
    for (j.first = first; j.first < last; j.first = j.last) {
      j.last = j.first + w->block < last ? j.first + w->block : last;
      run_block(w, &j, part, j.first > first, memory);
    }
  }
}

static int64_t lines(size_t bytes) { return (int64_t)((bytes + 63) & ~(size_t)63); }

/* Adds the gradients of the other parts, in order: the same bits at every call. */
static void join_rows(void *context, int64_t begin, int64_t end) {
  const crew *w = context;
  const job *j = w->j;
  for (int64_t part = 1; part < w->parts; part++)
    for (int64_t i = begin; i < end; i++)
      j->k->accumulate(at(j->d->to, i * j->c->out_channels + j->group * j->columns, j),
                       w->memory + part * w->each + w->patches + w->scratch + i * j->columns * j->width, j->columns);
}

static cn_code by_crew(job *j, cni_conv_kind kind) {
  const int64_t positions = positions_of(j->c->out, j->c->batch), parts = cni_gemm_parts(j->graph, positions * j->depth * j->columns),
                most = (positions + parts - 1) / parts, fit = BLOCK / (j->depth * j->width), block = fit < LEAST ? LEAST : fit;
  crew w = { .j = j, .kind = kind, .positions = positions, .parts = parts, .block = block < most ? block : most };
  w.patches = lines((size_t)(w.block * j->depth * j->width));
  j->first = 0;
  j->last = w.block;
  const cni_gemm_args a = args_of(j, kind);
  w.scratch = lines(cni_gemm_scratch(j->graph, &a));
  w.each = w.patches + w.scratch + (kind == CNI_CONV_KERNEL ? lines((size_t)(j->depth * j->columns * j->width)) : 0);
  cni_buffer *buffer = cni_buffer_take(j->graph, (size_t)(w.each * parts), false);
  if (!buffer) return CN_NO_MEMORY;
  w.memory = buffer->data;
  cni_parallel(j->graph, parts, 1, crew_part, &w);
  if (kind == CNI_CONV_KERNEL && parts > 1) cni_parallel(j->graph, j->depth, CNI_GRAIN / j->columns + 1, join_rows, &w);
  cni_buffer_drop(j->graph, buffer, false);
  return CN_OK;
}

/* A crew where there are patches to copy, enough positions for all, and room for a gradient each. */
static bool suits_crew(const job *j, cni_conv_kind kind) {
  const int64_t threads = cni_context_of_const(j->graph)->threads;
  if (kind == CNI_CONV_INPUT || patches_are_x(j->c) || positions_of(j->c->out, j->c->batch) < threads * LEAST) return false;
  return kind == CNI_CONV_FORWARD || j->depth * j->columns * j->width <= OWN_GRADIENT;
}

static cn_code by_patches(job *j, cni_conv_kind kind) {
  cn_code code = CN_OK;
  for (j->group = 0; j->group < j->c->groups && code == CN_OK; j->group++) code = suits_crew(j, kind) ? by_crew(j, kind) : by_blocks(j, kind);
  return code;
}

/* ---- the input's gradient with strides of 1: a convolution of gy with the kernel turned round ----
 * Not where gy is much smaller than x: most of it would be products with zeros. At the border those zeros meet all taps: one that is not finite makes NaN. */
static bool turns_round(const cni_conv *c) {
  if (c->in_channels / c->groups < BROAD || positions_of(c->in, 1) > 2 * positions_of(c->out, 1)) return false;
  for (int i = 0; i < 3; i++)
    if (c->stride[i] != 1 || c->pad[i] > c->dilation[i] * (c->kernel[i] - 1)) return false;
  return true;
}

/* to [kernel reversed, out_channels / groups, in_channels], from kernel [kernel, in_channels / groups, out_channels]. */
static void turn_round(const job *j, char *to) {
  const cni_conv *c = j->c;
  const int64_t taps = c->kernel[0] * c->kernel[1] * c->kernel[2], tap = j->inner * c->out_channels;
  for (int64_t t = 0; t < taps && c->groups == 1; t++)
    j->k->transpose2d(to + (taps - 1 - t) * tap * j->width, at(j->d->kernel, t * tap, j), j->inner, j->columns);
  for (int64_t t = 0; t < taps && c->groups > 1; t++)
    for (int64_t g = 0; g < c->groups; g++)
      for (int64_t i = 0; i < j->inner; i++)
        for (int64_t o = 0; o < j->columns; o++)
          memcpy(to + ((taps - 1 - t) * tap + o * c->in_channels + g * j->inner + i) * j->width,
                 at(j->d->kernel, t * tap + i * c->out_channels + g * j->columns + o, j), (size_t)j->width);
}

static cn_code input_turned(const job *j) {
  const cni_conv *c = j->c;
  cni_conv turned = *c;
  turned.in_channels = c->out_channels;
  turned.out_channels = c->in_channels;
  for (int i = 0; i < 3; i++) {
    turned.in[i] = c->out[i];
    turned.out[i] = c->in[i];
    turned.pad[i] = c->dilation[i] * (c->kernel[i] - 1) - c->pad[i];
  }
  cni_buffer *buffer = cni_buffer_take(j->graph, (size_t)(cni_conv_kernel_count(c) * j->width), false);
  if (!buffer) return CN_NO_MEMORY;
  turn_round(j, buffer->data);
  const cni_conv_data d = { .to = j->d->to, .x = j->d->gy, .kernel = buffer->data };
  const cn_code code = cni_conv_own(j->graph, &turned, CNI_CONV_FORWARD, &d);
  cni_buffer_drop(j->graph, buffer, false);
  return code;
}

/* ---- each channel by itself ---- */
#define CHANNELS_TOGETHER 16 /* at least, in a part of the kernel's gradient by registers of channels */

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
  else {
    const int64_t least = CNI_GRAIN / (rows_of(c->out, c->batch) * c->out[2] * kernel) + 1;
    const int64_t together = c->in_channels == c->out_channels ? CHANNELS_TOGETHER : 1;
    cni_parallel(j->graph, c->in_channels, least > together ? least : together, depthwise_kernel_part, j);
  }
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
  if (kind == CNI_CONV_INPUT && !patches_are_x(c) && turns_round(c)) return input_turned(&j);
  if (kind == CNI_CONV_INPUT && !patches_are_x(c)) memset(d->to, 0, (size_t)(cni_conv_x_count(c) * j.width));
  return by_patches(&j, kind);
}
