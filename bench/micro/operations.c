/* operations [TEXT]: microseconds, forward and backward of its sum, of operations whose names contain the text, on float32 [1024, 1024]; medians. */
#include <cornu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N = 1024, ROUNDS = 9 };

typedef struct inputs {
  cn_graph *g;
  cn_tensor *x, *a;                     /* [N, N]: a variable, a constant */
  cn_tensor *row, *column;              /* [N], [N, 1], positive */
  cn_tensor *targets;                   /* [N, N], rows of a sum of about 1 */
  cn_tensor *ids, *places, *whole;      /* int64 [N], int64 [N, N] below N; int32 [N, N] */
  cn_stream *stream;
} inputs;

#define BLOCKS(t) cn_reshape(g, t, CN_INTS(64, 128, 128))
#define IMAGES(t) cn_reshape(g, t, CN_INTS(16, 64, 64, 16))
#define OPERATIONS(X)                                                                                                                     \
  X(add, cn_add(g, x, i->a)) X(add_row, cn_add(g, x, i->row)) X(multiply_column, cn_multiply(g, x, i->column))                             \
  X(maximum, cn_maximum(g, x, i->a)) X(exp, cn_exp(g, x)) X(tanh, cn_tanh(g, x)) X(gelu, cn_gelu(g, x)) X(relu, cn_relu(g, x))             \
  X(softplus, cn_softplus(g, x)) X(sin, cn_sin(g, x)) X(sum, cn_sum(g, x)) X(sum_0, cn_sum(g, x, .axis = CN_INTS(0)))                      \
  X(sum_1, cn_sum(g, x, .axis = CN_INTS(1))) X(amax_0, cn_amax(g, x, .axis = CN_INTS(0))) X(amax_1, cn_amax(g, x, .axis = CN_INTS(1)))     \
  X(prod_1, cn_prod(g, x, .axis = CN_INTS(1))) X(var_0, cn_var(g, x, .axis = CN_INTS(0))) X(var_1, cn_var(g, x, .axis = CN_INTS(1)))       \
  X(norm, cn_norm(g, x)) X(argmax_0, cn_argmax(g, x, .axis = 0)) X(argmax_1, cn_argmax(g, x, .axis = 1))                                   \
  X(any_1, cn_any(g, cn_greater(g, x, i->a), .axis = CN_INTS(1))) X(logsumexp_0, cn_logsumexp(g, x, .axis = CN_INTS(0)))                   \
  X(logsumexp_1, cn_logsumexp(g, x, .axis = CN_INTS(1))) X(softmax_0, cn_softmax(g, x, .axis = 0)) X(softmax_1, cn_softmax(g, x))          \
  X(cumsum_0, cn_cumsum(g, x, .axis = 0)) X(cumsum_1, cn_cumsum(g, x, .axis = 1)) X(cumprod_1, cn_cumprod(g, x, .axis = 1))                \
  X(sort_0, cn_sort(g, x, .axis = 0)) X(sort_1, cn_sort(g, x, .axis = 1)) X(top_k, cn_top_k(g, x, .k = 8).values)                          \
  X(median_1, cn_median(g, x, .axis = CN_INTS(1))) X(sparsemax, cn_sparsemax(g, x)) X(where, cn_where(g, cn_greater(g, i->a, i->column), x, i->a)) \
  X(logical_and, cn_logical_and(g, cn_greater(g, x, i->a), cn_less(g, x, i->column))) X(isnan, cn_isnan(g, x))                             \
  X(cast_int32, cn_cast(g, x, .dtype = "int32")) X(clip, cn_clip(g, x, -0.5, 0.5)) X(transpose, cn_transpose(g, x))                        \
  X(transpose_blocks, cn_transpose(g, BLOCKS(x), .axes = CN_INTS(0, 2, 1))) X(concatenate_1, cn_concatenate(g, CN_TENSORS(x, i->a), .axis = 1)) \
  X(stack_2, cn_stack(g, CN_TENSORS(x, i->a), .axis = 2)) X(split_1, cn_split(g, x, .indices_or_sections = CN_INTS(4), .axis = 1)[1])      \
  X(pad, cn_pad(g, x, .pad_width = CN_INTS(1, 1, 2, 2))) X(repeat_1, cn_repeat(g, x, .repeats = CN_INTS(2), .axis = 1))                    \
  X(flip_1, cn_flip(g, x, .axis = CN_INTS(1))) X(take_0, cn_take(g, x, i->ids, .axis = 0)) X(take_1, cn_take(g, x, i->ids, .axis = 1))     \
  X(take_along_axis, cn_take_along_axis(g, x, i->places, .axis = 1)) X(segment_sum, cn_segment_sum(g, x, i->ids, .num_segments = N))       \
  X(layer_normalization, cn_layer_normalization(g, x)) X(matmul, cn_matmul(g, x, i->a))                                                    \
  X(matmul_blocks, cn_matmul(g, BLOCKS(x), BLOCKS(i->a), .transpose_b = true)) X(dropout, cn_dropout(g, x, .rate = 0.5, .stream = i->stream)) \
  X(max_pool, cn_max_pool(g, IMAGES(x), .pool_size = { { 2 } })) X(resize, cn_resize(g, IMAGES(x), .size = CN_INTS(128, 128)))         \
  X(categorical_crossentropy, cn_categorical_crossentropy(g, i->targets, x, .from_logits = true))                                          \
  X(sparse_categorical_crossentropy, cn_sparse_categorical_crossentropy(g, i->ids, x, .from_logits = true))                                \
  X(add_int32, cn_add(g, i->whole, i->whole)) X(sum_int32, cn_sum(g, i->whole, .axis = CN_INTS(1)))

#define FUNCTION(name, expression) \
  static cn_tensor *call_##name(const inputs *i) { cn_graph *g = i->g; cn_tensor *x = i->x; return (void)x, (expression); }
OPERATIONS(FUNCTION)
#define ENTRY(name, expression) { #name, call_##name },
static const struct { const char *name; cn_tensor *(*call)(const inputs *i); } operations[] = { OPERATIONS(ENTRY) };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}
static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
static void fill(double *v, int64_t n, cn_stream *s, double low, double high) { cn_random_fill_uniform(s, CN_F64, v, n, low, high); }

static cn_tensor *numbers(cn_graph *g, cn_dtype dtype, cn_dims dims, cn_stream *s, double *room, double low, double high) {
  fill(room, cn_dims_count(&dims), s, low, high);
  cn_tensor *t = cn_array(g, CN_F64, &dims, room);
  return cn_persist(cn_cast(g, t, .dtype = cn_dtype_name(dtype)));
}

static void measure(const inputs *i, const char *name, cn_tensor *(*call)(const inputs *i)) {
  double forward[ROUNDS], backward[ROUNDS];
  bool differentiable = false;
  for (int k = 0; k < ROUNDS; k++) {
    const double began = now();
    cn_tensor *y = call(i);
    forward[k] = now() - began;
    backward[k] = 0;
    if (y && cn_dtype_of(y) == CN_F32) {
      cn_tensor *s = cn_sum(i->g, y);
      const double half = now();
      differentiable = cn_backward(i->g, s);
      backward[k] = now() - half;
    }
    if (!cn_ok(i->g)) fprintf(stderr, "%s: %s\n", name, cn_error(i->g)), exit(EXIT_FAILURE);
    cn_graph_reset(i->g);
  }
  qsort(forward, ROUNDS, sizeof *forward, compare);
  qsort(backward, ROUNDS, sizeof *backward, compare);
  printf("%-32s %8.0f %8.0f\n", name, forward[ROUNDS / 2], differentiable ? backward[ROUNDS / 2] : 0);
}

int main(int argc, char **argv) {
  cn_graph *g = cn_graph_new();
  cn_stream stream = cn_stream_new(g);
  double *room = malloc((size_t)N * N * sizeof *room);
  if (!room) return EXIT_FAILURE;
  const cn_dims square = { 2, { N, N } }, line = { 1, { N } }, column = { 2, { N, 1 } };
  inputs i = { .g = g, .stream = &stream };
  cn_tensor *start = numbers(g, CN_F32, square, &stream, room, -1, 1);
  i.x = cn_variable(g, CN_F32, &square, cn_data(start));
  i.a = numbers(g, CN_F32, square, &stream, room, -1, 1);
  i.row = numbers(g, CN_F32, line, &stream, room, 0.5, 1.5);
  i.column = numbers(g, CN_F32, column, &stream, room, 0.5, 1.5);
  i.targets = numbers(g, CN_F32, square, &stream, room, 0, 2.0 / N);
  i.ids = numbers(g, CN_I64, line, &stream, room, 0, N);
  i.places = numbers(g, CN_I64, square, &stream, room, 0, N);
  i.whole = numbers(g, CN_I32, square, &stream, room, 0, 100);
  cn_graph_reset(g);
  printf("%-32s %8s %8s\n", "us", "forward", "backward");
  for (size_t k = 0; k < sizeof operations / sizeof *operations; k++)
    if (argc < 2 || strstr(operations[k].name, argv[1])) measure(&i, operations[k].name, operations[k].call);
  cn_free(start);
  free(room);
  cn_graph_free(g);
  return EXIT_SUCCESS;
}
