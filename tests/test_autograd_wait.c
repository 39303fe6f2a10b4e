/* Large results that wait for the call that reads them: never seen from outside, whatever is read or changed in between. */
#include "../autograd/graph_private.h"
#include "test_layers.h"

enum { TALL = 300, WIDE = 128, N = TALL * WIDE }; /* above what waits, in rows that end within a block */

static cn_graph *g;
static cn_tensor *w, *gamma_, *beta_;

static cn_tensor *numbers(cn_graph *graph, int64_t rows, uint32_t seed, double low, double high) {
  double *v = malloc((size_t)(rows * WIDE) * sizeof *v);
  cr_assert(v);
  for (int64_t i = 0; i < rows * WIDE; i++) v[i] = low + (high - low) * (double)(((uint32_t)i * 2654435761u + seed * 40503u) >> 8) / 16777216.0;
  cn_tensor *t = cn_array_from_doubles(graph, CN_F32, rows == 1 ? CN_DIMS(WIDE) : CN_DIMS(rows, WIDE), v);
  free(v);
  return t;
}
static cn_tensor *variable(cn_tensor *value) {
  const cn_dims d = cn_dims_of(value);
  return cn_variable(g, CN_F32, &d, cn_data(value));
}
static void make(cn_graph *graph) {
  g = graph;
  w = variable(numbers(g, TALL, 1, -1, 1));
  gamma_ = variable(numbers(g, 1, 2, 0.5, 1.5));
  beta_ = variable(numbers(g, 1, 3, -1, 1));
}
static void begin(void) { make(cn_graph_new(.seed = 1, .replay = false)); }
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(autograd_wait, .init = begin, .fini = end);

static cn_tensor *normed(void) { return cn_layer_normalization(g, cn_scale(g, w, 1.5), gamma_, beta_); }
static cn_tensor *gelu(cn_tensor *x) { return cn_gelu(g, x, .approximate = false); }
static bool absent(const cn_tensor *x) { return !x->data && (x->flags & CNI_DEFERRED); }
/* The same with the normalization stored. */
static cn_tensor *stored(void) {
  cn_tensor *y = normed();
  cn_at(y, 0);
  cr_assert(!absent(y));
  return y;
}
static void same(cn_tensor *a, cn_tensor *b) {
  cr_assert(a && b, "%s", cn_error(g));
  cr_assert_eq(cn_count(a), cn_count(b));
  cr_assert_arr_eq(cn_data(a), cn_data(b), (size_t)cn_count(a) * sizeof(float));
}

Test(autograd_wait, the_same_bits_without_being_stored) {
  cn_tensor *y = normed(), *z = gelu(y), *plain = stored();
  cr_assert(absent(y));
  same(z, gelu(plain));
  cr_assert(absent(y));
  same(y, plain);
  cr_assert(!absent(y));
}

Test(autograd_wait, several_read_it) {
  cn_tensor *y = normed(), *z = gelu(y), *sum = cn_add(g, z, y), *plain = stored();
  cr_assert(!absent(y));
  same(sum, cn_add(g, gelu(plain), plain));
}

Test(autograd_wait, other_operations_and_none) {
  cn_tensor *last = normed(), *y = normed(), *plain = stored();
  same(cn_tanh(g, y), cn_tanh(g, plain));
  cn_tensor *other = normed(); /* waits while gelu reads another */
  same(gelu(plain), gelu(other));
  same(last, plain);
  cn_tensor *unread = normed();
  cr_assert(absent(unread));
  cn_graph_reset(g);
  cr_assert_null(cn_data(unread));
  cn_graph_clear(g);
}

Test(autograd_wait, what_is_small_or_needs_no_gradient_does_not) {
  cn_tensor *x = numbers(g, TALL, 1, -1, 1);
  cr_assert(!absent(cn_layer_normalization(g, x, CN_NO_TENSOR, CN_NO_TENSOR)));
  cr_assert(!absent(cn_layer_normalization(g, cn_slice(g, cn_scale(g, w, 1), .start_indices = CN_INTS(0, 0), .shape = CN_INTS(4, WIDE)), gamma_, beta_)));
  cn_recording(g, false);
  cr_assert(!absent(normed()));
  cn_recording(g, true);
}

Test(autograd_wait, a_change_in_between_comes_too_late) {
  cn_tensor *plain = cn_persist(stored()), *after = cn_persist(gelu(plain)), *first = variable(gamma_);
  cn_graph_reset(g);
  cn_tensor *y = normed();
  cr_assert(cn_assign(gamma_, cn_scale(g, gamma_, 3)));
  same(gelu(y), after);
  same(y, plain);
  cr_assert(cn_assign(gamma_, first));
  cn_graph_reset(g);
  y = normed();
  cr_assert(cn_assign_data(gamma_, cn_data(cn_zeros_like(g, gamma_))));
  same(gelu(y), after);
  cr_assert(cn_assign(gamma_, first));
  cn_graph_reset(g);
  y = normed();
  cn_tensor *z = gelu(y);
  cr_assert(cn_assign_data(beta_, (const float[WIDE]){ 0 }));
  same(z, after);
  same(y, plain);
}

/* Of other types and forms: rows that are no multiple of a register, without gamma or beta, several axes, and one that cannot wait. */
static void form(cn_dtype dtype, int64_t width, bool scaled, bool centred, cn_ints axis, bool waits) {
  cn_tensor *v = cn_variable(g, dtype, CN_DIMS(70, 9, width), NULL), *one = cn_variable(g, dtype, CN_DIMS(width), NULL);
  cn_tensor *x = cn_add(g, v, cn_random_normal(g, .shape = CN_INTS(70, 9, width), .dtype = cn_dtype_name(dtype), .seed = 3));
  cn_tensor *scale = scaled ? cn_shift(g, one, 1.5) : CN_NO_TENSOR, *centre = centred ? cn_shift(g, one, 0.25) : CN_NO_TENSOR, *y[2], *z[2], *d[2];
  for (int k = 0; k < 2; k++) {
    y[k] = cn_layer_normalization(g, x, scale, centre, .axis = axis);
    cr_assert(y[k], "%s", cn_error(g));
    if (k) cn_at(y[k], 0);
    z[k] = cn_gelu(g, y[k]);
    cr_assert_eq(absent(y[k]), !k && waits, "%d", (int)width);
    d[k] = cn_gradient(g, cn_sum(g, cn_square(g, z[k])), v);
  }
  const size_t bytes = (size_t)cn_count(x) * cn_dtype_size(dtype);
  cr_assert_arr_eq(cn_data(z[0]), cn_data(z[1]), bytes);
  cr_assert_arr_eq(cn_data(d[0]), cn_data(d[1]), bytes);
  cr_assert_arr_eq(cn_data(y[0]), cn_data(y[1]), bytes);
  cn_graph_reset(g);
}
Test(autograd_wait, forms) {
  const cn_ints last = CN_INTS(-1), two = CN_INTS(1, 2), first = CN_INTS(0, 1);
  for (int k = 0; k < 4; k++) {
    form(CN_F32, 61, k & 1, k & 2, last, true);
    form(CN_F64, 122, k & 1, k & 2, last, false);
    form(CN_F64, 60, k & 1, k & 2, last, true);
  }
  form(CN_F32, 64, false, false, two, true);
  form(CN_F32, 200, true, true, last, true);
  form(CN_F32, 53, false, false, first, false); /* not along rows */
  form(CN_F32, 301, true, true, last, false);   /* too long a piece */
}

Test(autograd_wait, the_result_of_a_backward) {
  cn_tensor *y = normed(), *plain = cn_persist(stored());
  y = normed();
  cr_assert(cn_backward(g, y, .release = true), "%s", cn_error(g));
  same(y, plain);
  same(gelu(y), gelu(plain));
}

Test(autograd_wait, layers) {
  cn_layer *norm = cn_LayerNormalization(g), *activation = cn_Activation(g, { .name = "gelu" });
  cn_tensor *y = cn_call(g, norm, cn_scale(g, w, 1)), *z = cn_call(g, activation, y);
  cr_assert(z && absent(y), "%s", cn_error(g));
  cn_tensor *again = cn_call(g, norm, cn_scale(g, w, 1));
  cn_at(again, 0);
  same(z, cn_call(g, activation, again));
}

static void gradients_of(cn_tensor *z, cn_tensor **d) {
  cr_assert(cn_backward(g, cn_sum(g, cn_square(g, z))), "%s", cn_error(g));
  cn_tensor *const v[] = { w, gamma_, beta_ };
  for (int i = 0; i < 3; i++) d[i] = cn_persist(cn_grad(v[i]));
}
Test(autograd_wait, gradients) {
  cn_tensor *a[3], *b[3], *y = normed();
  gradients_of(gelu(y), a);
  cr_assert(absent(y));
  gradients_of(gelu(stored()), b);
  for (int i = 0; i < 3; i++) same(a[i], b[i]);
  cn_tensor *d[2], *second[2];
  for (int k = 0; k < 2; k++) { /* of the second order, which reads it, and for itself */
    cn_tensor *middle = k ? stored() : normed(), *z = gelu(middle);
    d[k] = cn_gradient(g, cn_sum(g, cn_square(g, z)), middle);
    second[k] = cn_gradient(g, cn_sum(g, cn_square(g, cn_gradient(g, cn_sum(g, cn_square(g, z)), w, .differentiable = true))), gamma_);
  }
  same(d[0], d[1]);
  same(second[0], second[1]);
}

Test(autograd_wait, it_outlives_an_update_unless_it_is_released) {
  cn_tensor *plain = cn_persist(stored());
  for (int release = 0; release < 2; release++) {
    cn_optimizer *o = cn_optimizer_from(g, "sgd(0.0)");
    cn_tensor *y = normed(), *apart = normed();
    cr_assert(absent(apart));
    cr_assert(cn_optimizer_minimize(o, cn_sum(g, gelu(y)), release), "%s", cn_error(g));
    same(apart, plain);
    if (!release) same(y, plain);
    else cr_assert_null(cn_data(y));
    if (release) cr_assert_str_eq(cn_error(g), "data: the tensor's value was released by an earlier backward");
    cn_graph_clear(g);
    y = normed();
    gelu(y);
    cn_tensor *grads[] = { cn_zeros_like(g, gamma_) }, *variables[] = { gamma_ };
    cr_assert(cn_optimizer_apply(o, grads, variables, 1), "%s", cn_error(g));
    same(y, plain);
    cn_graph_reset(g);
  }
}

Test(autograd_wait, it_is_explained) {
  const char *text = cn_explain_text(g, cn_sum(g, gelu(normed())));
  cr_assert(text && strstr(text, "standardize") && !strstr(text, "released"), "%s", text);
}

/* Blocks of the two, one after the other, differentiated. */
static bool blocks(bool waits) {
  cn_tensor *h = cn_scale(g, w, 1);
  for (int i = 0; i < 8; i++) {
    h = cn_layer_normalization(g, h, gamma_, beta_);
    if (!waits) cn_at(h, 0);
    h = gelu(h);
  }
  return cn_backward(g, cn_sum(g, h), .release = true);
}
static size_t peak(bool waits) {
  cn_graph *const other = g;
  make(cn_graph_new(.replay = false));
  cr_assert(blocks(waits), "%s", cn_error(g));
  const size_t bytes = cn_graph_peak_bytes(g);
  cn_graph_free(g);
  g = other;
  return bytes;
}
Test(autograd_wait, less_memory) {
  const size_t less = peak(true), more = peak(false);
  cr_assert_geq(more, less + 7 * N * sizeof(float), "%zu, %zu", less, more);
}

/* Every allocation fails once: an error, no leak, and after cn_graph_clear the same step runs. */
Test(autograd_wait, no_memory) {
  cn_graph *const other = g;
  int refused = 0;
  for (int64_t k = 10, done = 0; !done; k++) {
    counting failing = { .fail_at = k };
    cn_graph *own = graph_counting(&failing);
    if (own) make(own);
    if (own && cn_ok(own)) {
      done = blocks(true) && failing.calls < k;
      refused += !cn_ok(own);
      cn_graph_clear(own);
      cr_assert(blocks(true), "allocation %d: %s", (int)k, cn_error(own));
    }
    cn_graph_free(own);
    cr_assert_eq(failing.live, 0, "allocation %d", (int)k);
  }
  cr_assert_gt(refused, 20);
  g = other;
}
