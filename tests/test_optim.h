/* What the tests of optim share: graphs whose allocator counts and fails, a small model with an embedding, every optimizer as text. */
#ifndef TEST_OPTIM_H
#define TEST_OPTIM_H
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include "../optim/optimizer_private.h"

typedef struct counting { int64_t calls, live, fail_at; } counting;

static void *counting_alloc(void *user, size_t size) {
  counting *n = user;
  if (++n->calls == n->fail_at) return NULL;
  void *p = aligned_alloc(64, (size + 63) & ~(size_t)63);
  n->live += p != NULL;
  return p;
}
static void counting_free(void *user, void *p, size_t size) {
  (void)size;
  ((counting *)user)->live--;
  free(p);
}
static inline cn_graph *graph_counting(counting *n) {
  const cn_allocator allocator = { counting_alloc, counting_free, n };
  return cn_graph_new(.allocator = &allocator, .seed = 1);
}

/* Every class, with the options that change its path through the code. */
static const char *const every_optimizer[] = {
  "SGD(0.1)", "SGD(0.1, momentum=0.9)", "SGD(0.1, momentum=0.9, nesterov=true)", "SGD(0.1, weight_decay=0.1)",
  "SGD(0.1, use_ema=true, ema_momentum=0.5, ema_overwrite_frequency=2)", "SGD(0.1, clipvalue=0.2)",
  "SGD(0.1, clipnorm=0.3)", "SGD(0.1, global_clipnorm=0.3)", "SGD(0.1, loss_scale_factor=8)", "SGD(0.1, gradient_accumulation_steps=2)",
  "RMSprop(0.01)", "RMSprop(0.01, momentum=0.5, centered=true)", "Adam(0.01)",
  "Adam(0.01, amsgrad=true, clipvalue=0.3)", "AdamW(0.01)", "Adamax(0.01)", "Nadam(0.01)", "Adagrad(0.1)",
  "Adadelta(1)", "Ftrl(0.1, l1_regularization_strength=0.01)", "Lion(0.01)", "Lamb(0.01)", "Adafactor(0.01)", "Muon(0.01)",
  "ScheduleFreeAdamW(0.01, warmup_steps=3)", "LossScaleOptimizer(inner_optimizer='Adam(0.01)', initial_scale=16)",
  "MultiOptimizer(default_optimizer='SGD(0.1)')", NULL
};

/* table [7, 3], kernel [3, 4], bias [4]; filled with numbers of no pattern. */
enum { TABLE, KERNEL, BIAS, VARIABLES };
static inline void model_make(cn_graph *g, cn_dtype dtype, cn_tensor **v) {
  static const char *const names[] = { "embedding/table", "dense/kernel", "dense/bias" };
  const cn_dims dims[] = { { 2, { 7, 3 } }, { 2, { 3, 4 } }, { 1, { 4 } } };
  double x[21];
  for (int i = 0; i < VARIABLES; i++) {
    for (int k = 0; k < 21; k++) x[k] = sin(1.7 * k + i);
    v[i] = cn_variable(g, dtype, &dims[i], cn_data(cn_array_from_doubles(g, dtype, &dims[i], x)));
    cn_set_name(v[i], names[i]);
  }
}
/* mean (tanh(table[rows] kernel + bias) - 0.3)^2; rows repeat. */
static inline cn_tensor *model_loss(cn_graph *g, cn_tensor *const *v, int step) {
  const int32_t rows[] = { 1, 3, 1, (int32_t)(step % 7), 6 };
  cn_tensor *x = cn_take_rows(g, v[TABLE], cn_array(g, CN_I32, CN_DIMS(5), rows));
  cn_tensor *y = cn_tanh(g, cn_add(g, cn_matmul(g, x, v[KERNEL]), v[BIAS]));
  return cn_mean(g, cn_square(g, cn_subtract(g, y, cn_scalar_like(g, y, 0.3))));
}

#define CHECK_NEAR(got, wanted, tolerance) \
  cr_assert(fabs((double)(got) - (double)(wanted)) <= (tolerance), "got %.9g, wanted %.9g", (double)(got), (double)(wanted))
#define CHECK_REFUSED(g, wanted_code, wanted_text)                \
  do {                                                            \
    cr_assert_eq(cn_error_code(g), wanted_code, "%s", cn_error(g)); \
    cr_assert_str_eq(cn_error(g), wanted_text);                   \
    cn_graph_clear(g);                                            \
  } while (0)

#endif
