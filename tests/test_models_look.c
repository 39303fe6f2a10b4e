/* What one looks at: drawings of histories, images, the search for a learning rate, histograms. */
#include <stdio.h>
#include <unistd.h>
#include "test_layers.h"

static cn_graph *g;
static char folder[64], path[128];
static void begin(void) {
  g = cn_graph_new(.seed = 5);
  snprintf(folder, sizeof folder, "/tmp/cornu-look-XXXXXX");
  cr_assert(mkdtemp(folder));
}
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
  rmdir(folder);
}
TestSuite(look, .init = begin, .fini = end);

static const char *file(const char *name) {
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}
/* The whole of a file, which is removed. */
static char *contents(size_t *size) {
  static char text[1 << 20];
  FILE *f = fopen(path, "rb");
  cr_assert(f, "%s", path);
  *size = fread(text, 1, sizeof text - 1, f);
  text[*size] = '\0';
  fclose(f);
  unlink(path);
  return text;
}
static int count_of(const char *text, const char *part) {
  int n = 0;
  for (; (text = strstr(text, part)); text += strlen(part)) n++;
  return n;
}

static cn_model *classifier(const char *optimizer) {
  cn_model *m = cn_Sequential(g, "mlp");
  cn_push(m, cn_Dense(g, 16, .activation = "tanh", .name = "hidden"));
  cn_push(m, cn_Dropout(g, 0.1, .seed = 3));
  cn_push(m, cn_Dense(g, 2, .name = "scores"));
  cn_compile(m, .optimizer = optimizer, .loss = "sparse_categorical_crossentropy(from_logits=true)", .metrics = "accuracy");
  CHECK_OK(g);
  return m;
}
enum { N = 128 };
static cn_dataset *moons(void) {
  double x[2 * N];
  int32_t y[N];
  for (int i = 0; i < N; i++) {
    const double a = 3.14 * (i / 2) / (N / 2);
    y[i] = i % 2;
    x[2 * i] = y[i] ? 1 - cos(a) : cos(a);
    x[2 * i + 1] = y[i] ? 0.5 - sin(a) : sin(a);
  }
  return cn_dataset_from_tensors(g, cn_array_from_doubles(g, CN_F32, CN_DIMS(N, 2), x), cn_array(g, CN_I32, CN_DIMS(N), y), NULL);
}

/* ---- history ---- */
Test(look, a_history_as_svg) {
  cn_model *m = classifier("adam(0.01)");
  const cn_history *h = cn_fit(m, moons(), .epochs = 5, .validation_data = moons(), .validation_freq = 2, .verbose = 0);
  const char *svg = cn_history_svg(g, h);
  cr_assert(strncmp(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"840\" height=\"280\"", 62) == 0, "%.100s", svg);
  cr_assert_eq(count_of(svg, ">loss</text>") + count_of(svg, ">accuracy</text>"), 2, "two charts");
  cr_assert_eq(count_of(svg, ">training</text>"), 2);
  cr_assert_eq(count_of(svg, ">validation</text>"), 2);
  cr_assert(!strstr(svg, "nan") && !strstr(svg, "inf"));
  cr_assert_str_eq(svg + strlen(svg) - 7, "</svg>\n");
  size_t size;
  cr_assert(cn_plot_history(g, h, file("history.svg")));
  cr_assert_str_eq(contents(&size), cn_history_svg(g, h));
}

Test(look, values_that_are_not_finite_or_all_equal_are_drawn) {
  const char *const names[] = { "a<b", "flat" };
  const double values[] = { 1, NAN, INFINITY, 3, 7, 7, 7, 7 };
  const cn_history h = { .epochs = 4, .names_count = 2, .names = names, .values = values };
  const char *svg = cn_history_svg(g, &h);
  cr_assert(strstr(svg, "a&lt;b") && !strstr(svg, "nan") && !strstr(svg, "inf"), "%s", svg);
  const cn_history one = { .epochs = 1, .names_count = 1, .names = names, .values = values };
  cr_assert(strlen(cn_history_svg(g, &one)) > 0);
  const cn_history none = { .epochs = 0, .names_count = 1, .names = names, .values = values };
  cr_assert_str_eq(cn_history_svg(g, &none), "");
  CHECK_REFUSED(g, CN_VALUE, "plot_history: the history has no epochs");
  cr_assert(!cn_plot_history(g, NULL, "x.svg"));
  CHECK_REFUSED(g, CN_VALUE, "plot_history: the history is NULL");
  cr_assert(!cn_plot_history(g, &h, "history.jpg"));
  CHECK_REFUSED(g, CN_VALUE, "plot_history: history.jpg ends neither in .svg nor in .png");
  cr_assert(!cn_plot_history(g, &h, "/nowhere/history.svg"));
  CHECK_REFUSED(g, CN_IO, "plot_history: /nowhere/history.svg: No such file or directory");
}

/* Width, height, and that something was drawn; without libpng the refusal. */
static void check_png(bool written, uint32_t width, uint32_t height) {
  if (!written) {
    cr_assert_eq(cn_error_code(g), CN_UNSUPPORTED, "%s", cn_error(g));
    cr_assert(strstr(cn_error(g), "this build has no libpng"));
    cn_graph_clear(g);
    return;
  }
  size_t size;
  const unsigned char *png = (unsigned char *)contents(&size);
  cr_assert(size > 60 && memcmp(png, "\x89PNG\r\n\x1a\n", 8) == 0);
  const uint32_t w = (uint32_t)(png[16] << 24 | png[17] << 16 | png[18] << 8 | png[19]), h = (uint32_t)(png[20] << 24 | png[21] << 16 | png[22] << 8 | png[23]);
  cr_assert(w == width && h == height, "%u x %u", (unsigned)w, (unsigned)h);
}

Test(look, a_history_as_png) {
  const char *const names[] = { "loss", "val_loss", "accuracy" };
  const double values[] = { 3, 2, 1.5, 3.5, 2.5, 2.4, 0.2, 0.5, 0.6 };
  const cn_history h = { .epochs = 3, .names_count = 3, .names = names, .values = values };
  check_png(cn_plot_history(g, &h, file("history.png")), 840, 280);
}

/* ---- images ---- */
Test(look, images) {
  const uint8_t pixels[] = { 255, 0, 0, 255, 0, 0, 0, 0, 255, 0, 255, 0, 0, 255, 0, 0, 255, 0 };
  cn_tensor *image = cn_array(g, CN_U8, CN_DIMS(2, 3, 3), pixels);
  cr_assert(cn_save_image(g, file("image.svg"), image));
  size_t size;
  const char *svg = contents(&size);
  cr_assert(strstr(svg, "<rect x=\"0.00\" y=\"0.00\" width=\"2.00\" height=\"1.00\" fill=\"#ff0000\"/>\n<rect x=\"2.00\" y=\"0.00\" width=\"1.00\" "
                        "height=\"1.00\" fill=\"#0000ff\"/>\n"
                        "<rect x=\"0.00\" y=\"1.00\" width=\"3.00\" height=\"1.00\" fill=\"#00ff00\"/>\n"),
            "%s", svg);
  check_png(cn_save_image(g, file("image.png"), image), 3, 2);
  check_png(cn_save_image(g, file("grey.png"), cn_array(g, CN_U8, CN_DIMS(9, 2), pixels)), 2, 9);
  cr_assert(!cn_save_image(g, file("image.svg"), cn_ones(g, CN_F32, CN_DIMS(2, 2))));
  CHECK_REFUSED(g, CN_DTYPE, "save_image: the image is float32, not uint8");
  cr_assert(!cn_save_image(g, file("image.svg"), cn_ones(g, CN_U8, CN_DIMS(2, 2, 4))));
  CHECK_REFUSED(g, CN_SHAPE, "save_image: the image is [2,2,4], not [height,width], [height,width,1] or [height,width,3] of at most 32767");
}

/* ---- the learning rate ---- */
static double sum_of_all(cn_model *m) {
  cn_tensor *w[32];
  double sum = 0;
  const int64_t n = cn_weights(cn_model_layer(m), w, 32);
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < cn_count(w[i]); k++) sum += cn_at(w[i], k) * (double)(7 * i + k + 1);
  const int64_t slots = cn_optimizer_variables(cn_model_optimizer(m), w, 32);
  for (int64_t i = 0; i < slots; i++)
    for (int64_t k = 0; k < cn_count(w[i]); k++) sum += cn_at(w[i], k) * (double)(3 * i + k + 1);
  return sum;
}

static void check_search(const char *optimizer) {
  cn_model *m = classifier(optimizer);
  cn_fit(m, moons(), .epochs = 1, .verbose = 0);
  const double before = sum_of_all(m), rate = cn_optimizer_learning_rate(cn_model_optimizer(m));
  const cn_rate_search *r = cn_find_learning_rate(m, moons(), .steps = 60, .max_rate = 1000);
  cr_assert(r, "%s: %s", optimizer, cn_error(g));
  cr_assert(r->n > 10 && r->n <= 60);
  CHECK_NEAR(r->rates[0], 1e-6, 1e-12);
  for (int64_t i = 1; i < r->n; i++) cr_assert(r->rates[i] > r->rates[i - 1] && isfinite(r->losses[i]) && isfinite(r->means[i]));
  cr_assert(r->suggestion > 1e-5 && r->suggestion < 10, "%s: %g", optimizer, r->suggestion);
  cr_assert(strstr(cn_rates_svg(g, r), "learning rate"));
  cr_assert_eq(sum_of_all(m), before, "%s", optimizer);
  cr_assert_eq(cn_optimizer_learning_rate(cn_model_optimizer(m)), rate);
}

Test(look, a_search_for_the_learning_rate_changes_nothing) {
  static const char *const all[] = { "adam(0.0009765625)", "sgd(0.0078125, momentum=0.9)", "sgd(schedule=cosine_decay(0.0625, 100))",
                                     "LossScaleOptimizer(inner_optimizer='adam(0.0009765625)')" };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) check_search(all[i]);
}

Test(look, a_search_on_a_model_that_is_not_built) {
  cn_model *m = classifier("adam(0.125)");
  const cn_rate_search *r = cn_find_learning_rate(m, moons(), .steps = 40);
  cr_assert(r && r->n > 3, "%s", cn_error(g));
  cr_assert_eq(cn_optimizer_iterations(cn_model_optimizer(m)), 0);
  const cn_history *h = cn_fit(m, moons(), .epochs = 20, .verbose = 0);
  cr_assert_gt(cn_history_at(h, "accuracy", -1), 0.9, "it trains as if nothing had been");
}

Test(look, refused_searches) {
  cn_model *m = classifier("adam");
  cr_assert_null(cn_find_learning_rate(m, NULL));
  CHECK_REFUSED(g, CN_VALUE, "find_learning_rate: the data set is NULL");
  cr_assert_null(cn_find_learning_rate(m, moons(), .min_rate = 1, .max_rate = 0.5));
  CHECK_REFUSED(g, CN_VALUE, "find_learning_rate: 0 < min_rate < max_rate must hold, got 1 and 0.5");
  cr_assert_null(cn_find_learning_rate(m, moons(), .steps = 2));
  CHECK_REFUSED(g, CN_VALUE, "find_learning_rate: steps must be 3 to 10000000, got 2");
  cr_assert_null(cn_find_learning_rate(m, moons(), .smoothing = 1));
  CHECK_REFUSED(g, CN_VALUE, "find_learning_rate: smoothing must be in [0, 1), got 1");
  cn_model *many = classifier("MultiOptimizer(default_optimizer='SGD(0.1)')");
  cr_assert_null(cn_find_learning_rate(many, moons()));
  CHECK_REFUSED(g, CN_STATE, "find_learning_rate: MultiOptimizer has no learning rate of its own");
  cn_model *raw = cn_Sequential(g, "raw");
  cn_push(raw, cn_Dense(g, 1));
  cr_assert_null(cn_find_learning_rate(raw, moons()));
  CHECK_REFUSED(g, CN_STATE, "find_learning_rate: raw is not compiled");
  cr_assert(!cn_plot_rates(g, NULL, "x.svg"));
  CHECK_REFUSED(g, CN_VALUE, "plot_rates: there are no steps");
}

/* ---- histograms ---- */
Test(look, histograms_count_every_value) {
  cn_model *m = cn_Sequential(g, "m");
  cn_push(m, cn_Dense(g, 2, .name = "dense"));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, 3));
  cn_tensor *w[] = { FLOATS(g, CN_DIMS(3, 2), 0, 1, 2, 3, 4, 4), FLOATS(g, CN_DIMS(2), NAN, 5) };
  cn_set_weights(cn_model_layer(m), w, 2);
  const cn_histograms *h = cn_layer_histograms(m, NULL, 4);
  cr_assert(h && h->n == 2 && !h->gradients);
  const cn_tensor_histogram *k = &h->weights[0];
  cr_assert_str_eq(k->name, "m/dense/kernel");
  cr_assert(k->count == 6 && k->not_finite == 0 && k->low == 0 && k->high == 4);
  CHECK_NEAR(k->mean, 14 / 6.0, 1e-12);
  CHECK_NEAR(k->deviation, sqrt(46 / 6.0 - 14 * 14 / 36.0), 1e-12);
  const int64_t wanted[] = { 1, 1, 1, 3 }, bias[] = { 0, 0, 1, 0 };
  for (int i = 0; i < 4; i++) cr_assert(k->counts[i] == wanted[i] && h->weights[1].counts[i] == bias[i]);
  cr_assert_eq(h->weights[1].not_finite, 1);
  const char *text = cn_histograms_text(g, h);
  cr_assert_str_eq(text,
                   "m/dense/kernel weight   |▃▃▃█|  mean 2.333       std 1.491       min 0           max 4\n"
                   "m/dense/bias   weight   |  █ |  mean 5           std 0           min 5           max 5           1 of 2 are not finite\n",
                   "%s", text);
}

Test(look, histograms_of_gradients) {
  cn_model *m = classifier("adam(0.01)");
  cn_fit(m, moons(), .epochs = 2, .verbose = 0);
  const double before = sum_of_all(m);
  cn_batch b;
  cn_dataset *d = moons();
  cr_assert(cn_dataset_reset(d, false) && cn_dataset_next(d, 32, &b));
  const cn_histograms *h = cn_layer_histograms(m, &b, 0);
  cr_assert(h && h->n == 4 && h->gradients, "%s", cn_error(g));
  for (int64_t i = 0; i < 4; i++) {
    int64_t sum = 0;
    for (int64_t k = 0; k < h->gradients[i].bins; k++) sum += h->gradients[i].counts[k];
    cr_assert(sum == h->weights[i].count && h->gradients[i].count == sum && h->gradients[i].bins == 30);
    cr_assert(h->gradients[i].high > 0 && h->gradients[i].high < 1);
  }
  cr_assert_eq(count_of(cn_histograms_text(g, h), "\n"), 8);
  const char *svg = cn_histograms_svg(g, h);
  cr_assert_eq(count_of(svg, ", gradient</text>"), 4);
  cr_assert(!strstr(svg, "nan"));
  check_png(cn_plot_histograms(g, h, file("histograms.png")), 680, 4 * 190);
  cr_assert_eq(sum_of_all(m), before);
  cr_assert_null(cn_layer_histograms(m, NULL, -1));
  CHECK_REFUSED(g, CN_VALUE, "layer_histograms: bins must be 0 to 10000, got -1");
  cn_model *raw = cn_Sequential(g, "raw");
  cn_push(raw, cn_Dense(g, 1));
  cr_assert_null(cn_layer_histograms(raw, NULL, 0));
  CHECK_REFUSED(g, CN_STATE, "layer_histograms: raw has no trainable weights; is it built?");
}

Test(look, every_allocation_may_fail) {
  const char *const names[] = { "loss", "val_loss" };
  const double values[] = { 3, 2, 1.5, 3.5 };
  const cn_history h = { .epochs = 2, .names_count = 2, .names = names, .values = values };
  for (int format = 0; format < 2; format++)
    for (int64_t k = 1; k < 100; k++) {
      counting n = { .fail_at = k };
      cn_graph *own = graph_counting(&n);
      const bool done = own && cn_plot_history(own, &h, file(format ? "history.png" : "history.svg"));
      cr_assert_eq(done, cn_ok(own));
      const bool last = done || cn_error_code(own) == CN_UNSUPPORTED;
      cn_graph_free(own);
      cr_assert_eq(n.live, 0);
      cr_assert_eq(access(path, F_OK) == 0, done, "no half file");
      if (done) unlink(path);
      if (last) break;
      cr_assert_lt(k, 99);
    }
}
