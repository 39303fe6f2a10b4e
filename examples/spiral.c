/* spiral [--learning-rate R] [--epochs N] [--every N] [--seed N]: a network learns to tell the arms of a spiral apart, and every so many epochs draws which
 * point of the plane it takes for which arm: spiral-0005.png, ... (.svg in a build without libpng). */
#include <cornu.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARMS = 3, POINTS = 120 /* of an arm */, N = ARMS * POINTS, SIDE = 240 };
static const uint8_t colours[ARMS][3] = { { 31, 119, 180 }, { 255, 127, 14 }, { 44, 160, 44 } };

/* What the drawing callback needs. */
typedef struct view { cn_model *model; cn_tensor *plane; /* [SIDE SIDE, 2] */ const float *x; const int32_t *y; long every, epochs; bool svg; } view;

static void make_points(float *x, int32_t *y) {
  for (int i = 0; i < N; i++) {
    const int arm = i % ARMS, k = i / ARMS;
    const double r = 0.08 + 0.87 * k / POINTS, a = 2.2 * 3.14159265 * k / POINTS + 2 * 3.14159265 * arm / ARMS + 0.2 * sin(1.7 * i * i);
    x[2 * i] = (float)(r * cos(a));
    x[2 * i + 1] = (float)(r * sin(a));
    y[i] = arm;
  }
}

static void fill_plane(float *x) {
  for (int i = 0; i < SIDE * SIDE; i++) {
    x[2 * i] = (float)(2 * (i % SIDE + 0.5) / SIDE - 1);
    x[2 * i + 1] = (float)(1 - 2 * (i / SIDE + 0.5) / SIDE);
  }
}

/* Each arm's colour by its probability, paler than the points. */
static void paint_plane(cn_tensor *p, uint8_t *pixels) {
  for (int64_t i = 0; i < SIDE * SIDE; i++)
    for (int c = 0; c < 3; c++) {
      double v = 0;
      for (int k = 0; k < ARMS; k++) v += cn_at(p, i * ARMS + k) * colours[k][c];
      pixels[3 * i + c] = (uint8_t)(255 - 0.45 * (255 - v));
    }
}

static void paint_points(const view *v, uint8_t *pixels) {
  for (int i = 0; i < N; i++) {
    const int column = (int)((v->x[2 * i] + 1) / 2 * SIDE), row = (int)((1 - v->x[2 * i + 1]) / 2 * SIDE);
    for (int k = 0; k < 25; k++) {
      const int dx = k % 5 - 2, dy = k / 5 - 2, at = (row + dy) * SIDE + column + dx;
      if (dx * dx + dy * dy <= 4 && at >= 0 && at < SIDE * SIDE) memcpy(pixels + 3 * at, colours[v->y[i]], 3);
    }
  }
}

static bool save(view *v, cn_graph *g, long epoch, const uint8_t *pixels) {
  char name[64];
  for (;;) {
    snprintf(name, sizeof name, "spiral-%04ld.%s", epoch, v->svg ? "svg" : "png");
    cn_tensor *image = cn_array(g, CN_U8, CN_DIMS(SIDE, SIDE, 3), pixels);
    if (cn_save_image(g, name, image)) return true;
    if (v->svg || cn_error_code(g) != CN_UNSUPPORTED) return false;
    v->svg = true; /* built without libpng */
    cn_graph_clear(g);
  }
}

static bool draw(cn_callback *c, int64_t epoch, cn_logs *logs) {
  view *v = c->user;
  cn_graph *g = c->object.graph;
  static uint8_t pixels[SIDE * SIDE * 3];
  if ((epoch + 1) % v->every && epoch + 1 != v->epochs) return true;
  cn_tensor *p = cn_predict(v->model, v->plane, 4096);
  if (!p) return false;
  paint_plane(p, pixels);
  paint_points(v, pixels);
  cn_free(p);
  printf("epoch %4ld: accuracy %.3f\n", (long)epoch + 1, cn_log_at(logs, "accuracy"));
  return save(v, g, (long)epoch + 1, pixels);
}

static cn_model *network(cn_graph *g, double rate) {
  cn_model *m = cn_Sequential(g, "spiral");
  cn_push(m, cn_Dense(g, 64, .activation = "relu", .kernel_initializer = "he_normal"));
  cn_push(m, cn_Dense(g, 64, .activation = "relu", .kernel_initializer = "he_normal"));
  cn_push(m, cn_Dense(g, ARMS, .activation = "softmax"));
  cn_compile(m, .optimizer = { .object = cn_optimizer_Adam(g, .learning_rate = rate) }, .loss = "sparse_categorical_crossentropy", .metrics = "accuracy");
  return m;
}

int main(int argc, char **argv) {
  static float x[2 * N], plane[2 * SIDE * SIDE];
  static int32_t y[N];
  double rate = 0.002;
  long seed = 1;
  view v = { .x = x, .y = y, .every = 5, .epochs = 25 };
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--learning-rate")) rate = atof(argv[i + 1]);
    else if (!strcmp(argv[i], "--epochs")) v.epochs = atol(argv[i + 1]);
    else if (!strcmp(argv[i], "--every") && atol(argv[i + 1]) > 0) v.every = atol(argv[i + 1]);
    else if (!strcmp(argv[i], "--seed")) seed = atol(argv[i + 1]);
  }
  make_points(x, y);
  fill_plane(plane);
  static const cn_callback_methods drawing = { .epoch_end = draw };
  cn_graph *g = cn_graph_new(.seed = seed);
  v.plane = cn_persist(cn_array(g, CN_F32, CN_DIMS(SIDE * SIDE, 2), plane));
  cn_model *m = v.model = network(g, rate);
  cn_dataset *d = cn_dataset_from_arrays(g, CN_F32, CN_DIMS(N, 2), x, CN_I32, CN_DIMS(N), y);
  const cn_history *h = cn_fit(m, d, .epochs = v.epochs, .batch_size = 30, .callbacks = CN_CALLBACKS(cn_callback_new(g, &drawing, &v)), .verbose = 0);
  const double loss = cn_history_at(h, "loss", -1);
  cn_tensor *p = h ? cn_predict(m, cn_array(g, CN_F32, CN_DIMS(N, 2), x), N) : NULL, *labels = cn_array(g, CN_I32, CN_DIMS(N), y);
  if (p) printf("\n%s\n%s", cn_confusion_text(g, cn_confusion_matrix(g, labels, p), (cn_strings){ NULL, 0 }), cn_classification_report(g, labels, p));
  const bool ok = cn_ok(g);
  if (ok) printf("loss: %.4f\n", loss);
  else fprintf(stderr, "spiral: %s\n", cn_error(g));
  cn_graph_free(g);
  return !ok;
}
