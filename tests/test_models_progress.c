/* The progress bar as a terminal sees it. */
#include "test_layers.h"
#include "../models/model_private.h"

static cn_graph *g;
static char printed[65536];
static void print(void *user, const char *text) {
  (void)user;
  strncat(printed, text, sizeof printed - strlen(printed) - 1);
}
static void begin(void) {
  g = cn_graph_new(.seed = 5);
  cn_set_output_callback(g, print, NULL);
  printed[0] = '\0';
}
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(progress, .init = begin, .fini = end);

static cn_model *compiled(void) {
  cn_model *m = cn_Sequential(g, "line");
  cn_push(m, cn_Dense(g, 1));
  cn_compile(m, .optimizer = "sgd(0.0)", .loss = "mse", .metrics = "mae");
  return m;
}

/* Letters of a drawing, escapes left out. */
static int columns(const char *p, const char *stop) {
  int n = 0;
  for (; p < stop; p++) {
    if (*p == '\x1b') {
      while (*p != 'm') p++;
      continue;
    }
    n += ((unsigned char)*p & 0xc0) != 0x80;
  }
  return n;
}

static cni_progress terminal(int width, int64_t steps, bool colour) {
  cni_progress p;
  cni_progress_begin(&p, g, 1, steps);
  p.terminal = true;
  p.colour = colour;
  p.width = width;
  return p;
}

Test(progress, never_wraps) {
  cn_model *m = compiled();
  for (int width = 4; width < 120; width += 7)
    for (int colour = 0; colour < 2; colour++) {
      printed[0] = '\0';
      cni_progress p = terminal(width, 120, colour);
      for (int64_t step = 1; step <= 120; step += 17) {
        p.shown = 0; /* as if it had been long ago */
        cni_progress_step(&p, m, step);
      }
      for (const char *at = printed; *at;) {
        cr_assert_eq(*at, '\r');
        const char *stop = strchr(at + 1, '\r') ? strchr(at + 1, '\r') : at + strlen(at);
        const int fixed = 7 + 1 + 2 + 9 + 3; /* counts, time and rate are always there */
        cr_assert(columns(at + 1, stop) < (width > fixed ? width : fixed + 1), "width %d: %.*s", width, (int)(stop - at - 1), at + 1);
        at = stop;
      }
    }
}

Test(progress, a_wide_line_has_everything) {
  cn_model *m = compiled();
  cni_progress p = terminal(120, 1000, false);
  cni_progress_step(&p, m, 1);
  p.began = p.first - 10; /* a slow first step says nothing about the others */
  p.first -= 1;
  p.shown = 0;
  printed[0] = '\0';
  cni_progress_step(&p, m, 501);
  cr_assert(strstr(printed, "\r 501/1000 ━━━━━━━━━━────────── 1s 2.0ms/step - loss: 0.0000e+00 - mae: 0.0000e+00") == printed, "%s", printed);
  p.step = 1000;
  printed[0] = '\0';
  cni_progress_end(&p, " - val_loss: 1.0000");
  cr_assert(strstr(printed, "\r1000/1000 ━━━━━━━━━━━━━━━━━━━━ 10s 1.0ms/step - loss: 0.0000e+00 - mae: 0.0000e+00") == printed, "%s", printed);
  cr_assert(strstr(printed, " - val_loss: 1.0000\n"), "%s", printed);
}

Test(progress, colours) {
  cn_model *m = compiled();
  cni_progress p = terminal(120, 4, true);
  cni_progress_step(&p, m, 1);
  cr_assert(strstr(printed, "\r\x1b[1m1/4\x1b[0m \x1b[32m━━━━━\x1b[37m━━━━━━━━━━━━━━━\x1b[0m \x1b[1m0s\x1b[0m ") == printed, "%s", printed);
}

Test(progress, an_unknown_number_of_steps) {
  cn_model *m = compiled();
  cni_progress p = terminal(120, -1, false);
  cni_progress_step(&p, m, 12);
  cr_assert(strstr(printed, "\r     12/Unknown ") == printed, "%s", printed);
}

Test(progress, of_an_evaluation) {
  cn_model *m = compiled();
  const float x[] = { 1, 2, 3 };
  double v[2];
  cn_dataset *d = cn_dataset_from_arrays(g, CN_F32, CN_DIMS(3, 1), x, CN_F32, CN_DIMS(3, 1), x);
  cr_assert_eq(cn_evaluate_with(m, d, v, 2, .batch_size = 2, .verbose = 1), 2);
  cr_assert(strstr(printed, "2/2 - 0s - ") == printed && strstr(printed, "/step - loss: ") && strstr(printed, " - mae: "), "%s", printed);
}
