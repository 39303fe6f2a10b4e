/* What one looks at: histories, learning rates, weights and gradients, as numbers, as text and as drawings in SVG or PNG. Drawings go to a file that ends in
 * .svg, or in .png where libpng is in the build (else UNSUPPORTED); the file is written beside its place and renamed when it is whole. */
#ifndef CN_MODELS_LOOK_H
#define CN_MODELS_LOOK_H
#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- history ---- */
/* A chart for each value of the history, over the epochs (from 1): training and, where there is one, validation ("loss" and "val_loss"). */
CN_API bool cn_plot_history(cn_graph *g, const cn_history *h, const char *path);
/* The same as SVG text, owned by the graph, until the next reset; "" after an error. */
CN_API const char *cn_history_svg(cn_graph *g, const cn_history *h);

/* ---- images ---- */
/* Writes uint8 [height,width,3] (red, green, blue), [height,width,1] or [height,width] (grey). */
CN_API bool cn_save_image(cn_graph *g, const char *path, cn_tensor *image);

/* ---- the learning rate ---- */
#define CN_FIND_RATE(X, S)                                                                                              \
  X(S, double, min_rate, 1e-6, POSITIVE, "of the first step")                                                           \
  X(S, double, max_rate, 10.0, POSITIVE, "of the last step; larger")                                                    \
  X(S, int64_t, steps, 100, POSITIVE, "at least 3: each multiplies the rate by the same factor")                        \
  X(S, int64_t, batch_size, CN_NONE, NONNEGATIVE, "samples a step; None or 0: 32. The data is begun anew when it ends") \
  X(S, double, smoothing, 0.9, UNIT, "share of the old in the running mean of the losses, below 1")                     \
  X(S, double, divergence, 4.0, ANY, "the search ends where the mean exceeds so many times its least value; above 1")
typedef struct cn_find_rate_args { cn_graph *graph; cn_model *model; cn_dataset *data; CN_FIND_RATE(CN_FIELD_, ) } cn_find_rate_args;
/* n steps: their rates, losses, and running means of the losses (corrected for their start, as Adam's moments). suggestion: where the mean falls steepest over
 * the logarithm of the rate, before its minimum; NaN where it never falls. */
typedef struct cn_rate_search { int64_t n; const double *rates, *losses, *means; double suggestion; bool diverged; } cn_rate_search;
/* Trains a compiled model with rates that grow from step to step (Smith 2017, Cyclical Learning Rates), and puts weights, the optimizer's variables and its
 * rate or schedule back, after an error too. Random streams have moved on. Owned by the graph, until the next reset; NULL on failure. MultiOptimizer: STATE. */
CN_API const cn_rate_search *cn_find_rate_run(const cn_find_rate_args *args);
CN_API void cn_find_rate_args_init(cn_find_rate_args *args, size_t size); /* every default; size: sizeof *args */
/* The means over the rates, the suggestion marked. */
CN_API bool cn_plot_rates(cn_graph *g, const cn_rate_search *r, const char *path);
CN_API const char *cn_rates_svg(cn_graph *g, const cn_rate_search *r);
#ifndef __cplusplus
/* cn_find_learning_rate(m, data, .steps = 200) */
#define cn_find_learning_rate(m, ...)                                                                                  \
  __extension__({                                                                                                      \
    CN_QUIET_ const cn_find_rate_args cn_o_ = { .model = (m), CN_FIND_RATE(CN_DEFAULT_, ) .data = __VA_ARGS__ };       \
    const cn_rate_search *cn_r_ = cn_find_rate_run(&cn_o_);                                                            \
    CN_LOUD_ cn_r_;                                                                                                    \
  })
#endif

/* ---- weights and gradients ---- */
/* Of a tensor's finite values: counts[i] of them lie in bin i of `bins` equal ones from low to high (the last includes high; all in the middle where all are
 * equal). not_finite: how many are not. */
typedef struct cn_tensor_histogram {
  const char *name;
  int64_t count, not_finite, bins;
  double low, high, mean, deviation;
  const int64_t *counts;
} cn_tensor_histogram;
/* Of the trainable weights, in their order: values and, with a batch, gradients (else NULL). */
typedef struct cn_histograms { int64_t n; const cn_tensor_histogram *weights, *gradients; } cn_histograms;
/* batch NULL: of the weights alone. Else of the gradients of the compiled model's loss on it too, the layers as in evaluation (no dropout). Nothing of the
 * model changes. bins 0: 30. Owned by the graph, until the next reset; NULL on failure. */
CN_API const cn_histograms *cn_layer_histograms(cn_model *m, const cn_batch *batch, int64_t bins);
/* A line for each with mean, deviation, range and shape. */
CN_API const char *cn_histograms_text(cn_graph *g, const cn_histograms *h);
/* A chart for each; gradients stand beside their weights. */
CN_API bool cn_plot_histograms(cn_graph *g, const cn_histograms *h, const char *path);
CN_API const char *cn_histograms_svg(cn_graph *g, const cn_histograms *h);

#ifdef __cplusplus
}
#endif
#endif
