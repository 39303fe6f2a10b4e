/* training: the optimizers' passes over 10 million parameters against what memory gives to loops over as many arrays, what averaging, clipping and decay add to
 * them, and what fit spends around its steps on Fashion-MNIST. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../autograd/graph_private.h"
#include "../../core/threads_private.h"
#include "../../cornu.h"
#include "peaks.h"

enum { PARTS = 4, PART = 2500000, TOTAL = PARTS * PART, ROUNDS = 20 };

/* ---- what memory gives ---- */
typedef struct arrays { float *v[4]; } arrays;
typedef void (*body)(void *p, int64_t begin, int64_t end);

/* As SGD, momentum and Adam read and write: every array but the gradient, the last, is written too. */
static void two(void *p, int64_t begin, int64_t end) {
  float *restrict w = ((arrays *)p)->v[0], *restrict g = ((arrays *)p)->v[3];
#pragma omp simd
  for (int64_t i = begin; i < end; i++) w[i] += g[i] * 1e-9f;
}
static void three(void *p, int64_t begin, int64_t end) {
  float *restrict w = ((arrays *)p)->v[0], *restrict m = ((arrays *)p)->v[1], *restrict g = ((arrays *)p)->v[3];
#pragma omp simd
  for (int64_t i = begin; i < end; i++) m[i] += g[i] * 1e-9f, w[i] += m[i] * 1e-9f;
}
static void four(void *p, int64_t begin, int64_t end) {
  float *restrict w = ((arrays *)p)->v[0], *restrict m = ((arrays *)p)->v[1], *restrict v = ((arrays *)p)->v[2], *restrict g = ((arrays *)p)->v[3];
#pragma omp simd
  for (int64_t i = begin; i < end; i++) m[i] += g[i] * 1e-9f, v[i] += g[i] * 1e-9f, w[i] += m[i] * 1e-9f + v[i] * 1e-9f;
}

/* ---- two things in turn, so that both see the machine in the same state: the fastest of each ---- */
typedef struct loop { cn_graph *g; arrays *a; body f; double bytes; } loop;
static void run_loop(void *x) {
  loop *l = x;
  cni_parallel(l->g, TOTAL, CNI_GRAIN, l->f, l->a);
}

typedef struct parts { cn_graph *g; cn_tensor *w[PARTS], *dw[PARTS]; } parts;
typedef struct step { parts *p; cn_optimizer *o; } step;
static void run_step(void *x) {
  step *s = x;
  cn_optimizer_apply(s->o, s->p->dw, s->p->w, PARTS);
}

static void in_turn(void (*f)(void *x), void *x, void (*h)(void *y), void *y, double *first, double *second) {
  *first = *second = INFINITY;
  for (int r = 0; r < ROUNDS + 2; r++) {
    const double t = now();
    f(x);
    const double u = now();
    h(y);
    const double v = now();
    if (r < 2) continue; /* the first allocate */
    *first = fmin(*first, u - t);
    *second = fmin(*second, v - u);
  }
}

/* ---- the passes ---- */
static void passes(parts *p, arrays *a) {
  loop loops[] = { { p->g, a, two, 12 }, { p->g, a, three, 20 }, { p->g, a, four, 28 } };
  static const struct {
    const char *text;
    int loop;
  } all[] = { { "sgd(1e-9)", 0 },      { "sgd(1e-9, momentum=0.9)", 1 },
              { "adam(1e-9)", 2 },     { "adamw(1e-9)", 2 },
              { "rmsprop(1e-9)", 1 },  { "adagrad(1e-9)", 1 },
              { "adamax(1e-9)", 2 },   { "nadam(1e-9)", 2 },
              { "adadelta(1e-9)", 2 }, { "ftrl(1e-9)", 2 },
              { "lion(1e-9)", 1 } };
  printf("%-26s %9s %9s %9s %9s   %d parameters\n", "pass", "ms", "GB/s", "limit", "%", TOTAL);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    step s = { p, cn_optimizer_from(p->g, all[i].text) };
    loop *l = &loops[all[i].loop];
    double pass, memory;
    in_turn(run_step, &s, run_loop, l, &pass, &memory);
    printf("%-26s %9.2f %9.1f %9.1f %9.0f\n", all[i].text, pass * 1e3, l->bytes * TOTAL / pass * 1e-9, l->bytes * TOTAL / memory * 1e-9, 100 * memory / pass);
    cn_optimizer_free(s.o);
  }
}

static void extras(parts *p) {
  static const char *const plain[] = { "sgd(1e-9, momentum=0.9", "adam(1e-9" }, *const more[] = { ", use_ema=true", ", clipvalue=1", ", clipnorm=1",
                                                                                                  ", global_clipnorm=1", ", weight_decay=1e-9",
                                                                                                  ", use_ema=true, clipvalue=1, weight_decay=1e-9",
                                                                                                  ", use_ema=true, clipnorm=1, weight_decay=1e-9",
                                                                                                  ", use_ema=true, global_clipnorm=1, weight_decay=1e-9" };
  printf("\n%-76s %9s %9s %9s\n", "with", "ms", "plain", "ratio");
  for (size_t k = 0; k < sizeof plain / sizeof *plain; k++)
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
      char text[200], base[200];
      double with, without;
      snprintf(base, sizeof base, "%s)", plain[k]);
      snprintf(text, sizeof text, "%s%s)", plain[k], more[i]);
      step a = { p, cn_optimizer_from(p->g, text) }, b = { p, cn_optimizer_from(p->g, base) };
      in_turn(run_step, &a, run_step, &b, &with, &without);
      printf("%-76s %9.2f %9.2f %9.2f\n", text, with * 1e3, without * 1e3, with / without);
      cn_optimizer_free(a.o);
      cn_optimizer_free(b.o);
    }
}

static void optimizers(void) {
  cn_graph *g = cn_graph_new(.seed = 1);
  parts p = { .g = g };
  arrays a;
  for (int i = 0; i < PARTS; i++) {
    p.w[i] = cn_variable(g, CN_F32, CN_DIMS(PART), NULL);
    p.dw[i] = cn_persist(cn_full(g, CN_F32, CN_DIMS(PART), 1e-3));
    a.v[i] = malloc(TOTAL * sizeof(float));
    if (!a.v[i]) exit(EXIT_FAILURE);
    for (int64_t k = 0; k < TOTAL; k++) a.v[i][k] = 1e-3f; /* what is never written is read from one page of zeros */
  }
  passes(&p, &a);
  extras(&p);
  if (!cn_ok(g)) fprintf(stderr, "%s\n", cn_error(g));
  for (int i = 0; i < PARTS; i++) free(a.v[i]);
  cn_graph_free(g);
}

/* ---- fit ---- */
static void around_the_steps(int64_t verbose) {
  cn_graph *g = cn_graph_new(.seed = 1);
  const cn_arrays *x = cn_read_idx(g, "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"),
                  *y = cn_read_idx(g, "/usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz");
  if (!x || !y) {
    printf("\nfit: no data (%s)\n", cn_error(g));
    cn_graph_free(g);
    return;
  }
  cn_dataset *d = cn_dataset_from_arrays(g, x->v->dtype, &x->v->dims, x->v->data, y->v->dtype, &y->v->dims, y->v->data);
  cn_model *m = cn_Sequential(g, "mlp");
  cn_push(m, cn_Rescaling(g, 1 / 255.0));
  cn_push(m, cn_Flatten(g));
  cn_push(m, cn_Dense(g, 256, .activation = "relu"));
  cn_push(m, cn_Dense(g, 10));
  cn_compile(m, .optimizer = "adam(1e-3)", .loss = "sparse_categorical_crossentropy(from_logits=true)", .metrics = "accuracy");
  cn_profile_start(g);
  const double t = now();
  cn_fit(m, d, .epochs = 2, .batch_size = 128, .verbose = verbose);
  const double all = now() - t;
  cn_profile_row rows[64];
  const int64_t n = cn_profile_rows(g, CN_PROFILE_OPERATIONS, rows, 64);
  double outside = 0;
  printf("\nfit, Fashion-MNIST, batches of 128, verbose %d: %.3f s\n", (int)verbose, all);
  for (int64_t i = 0; i < n && i < 64; i++) {
    if (rows[i].phase != CN_PHASE_FIT) continue;
    outside += rows[i].seconds;
    printf("  %-12s %8lld calls %9.2f ms %6.2f %%\n", rows[i].name, (long long)rows[i].calls, rows[i].seconds * 1e3, 100 * rows[i].seconds / all);
  }
  printf("  outside of the steps: %.2f %%\n", 100 * outside / all);
  if (!cn_ok(g)) fprintf(stderr, "%s\n", cn_error(g));
  cn_graph_free(g);
}

int main(int count, char **arguments) {
  const char *what = count > 1 ? arguments[1] : "";
  if (strcmp(what, "fit") != 0) optimizers();
  if (strcmp(what, "optimizers") != 0) around_the_steps(1);
  return EXIT_SUCCESS;
}
