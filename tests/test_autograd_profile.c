/* The profile: counts, FLOP and bytes that follow from shapes, in recorded and in replayed steps. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 6); }
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(autograd_profile, .init = begin, .fini = end);

static cn_profile_row row_of(cn_profile_by by, const char *name, cn_phase phase) {
  cn_profile_row rows[64];
  const int64_t n = cn_profile_rows(g, by, rows, 64);
  for (int64_t i = 0; i < n && i < 64; i++)
    if (rows[i].phase == phase && !strcmp(rows[i].name, name)) return rows[i];
  return (cn_profile_row){ .calls = 0 };
}

Test(autograd_profile, operations) {
  cn_tensor *w = cn_variable(g, CN_F32, CN_DIMS(4, 5), NULL), *x = cn_zeros(g, CN_F32, CN_DIMS(3, 4));
  cr_assert_str_eq(cn_profile_text(g), "");
  cr_assert(cn_profile_start(g));
  cn_backward(g, cn_sum(g, cn_tanh(g, cn_matmul(g, x, w))));
  cn_profile_stop(g);
  cn_exp(g, x);
  const cn_profile_row m = row_of(CN_PROFILE_OPERATIONS, "matmul", CN_PHASE_FORWARD), d = row_of(CN_PROFILE_OPERATIONS, "matmul", CN_PHASE_BACKWARD),
                       t = row_of(CN_PROFILE_OPERATIONS, "tanh", CN_PHASE_FORWARD);
  cr_assert(m.calls == 1 && m.flop == 2 * 3 * 4 * 5 && m.bytes == 4 * (12 + 20 + 15) && m.seconds > 0);
  cr_assert(d.calls == 1 && d.flop == 2 * 3 * 4 * 5 && d.bytes == 4 * (15 + 20 + 12 + 20), "%g %g", d.flop, d.bytes); /* dw alone; x and w are read */
  cr_assert(t.calls == 1 && t.flop == 15 && t.bytes == 4 * 30);
  cr_assert_eq(row_of(CN_PROFILE_OPERATIONS, "exp", CN_PHASE_FORWARD).calls, 0);
  cr_assert_eq(row_of(CN_PROFILE_LAYERS, "", CN_PHASE_FORWARD).calls, 3);
}

Test(autograd_profile, costs_of_products) {
  cn_tensor *a = cn_ones(g, CN_F64, CN_DIMS(2, 3)), *b = cn_ones(g, CN_F64, CN_DIMS(3, 4)), *s = cn_eye(g, CN_F64, 3, 3, 0);
  cn_profile_start(g);
  cr_assert(cn_tensordot(g, a, b, .axes = CN_INTS(1)) && cn_cholesky(g, s) && cn_inv(g, s) && cn_sum(g, a) && cn_det(g, s) && cn_solve(g, s, b), "%s",
            cn_error(g));
  cn_profile_stop(g);
  static const struct {
    const char *name;
    double flop;
  } wanted[] = { { "tensordot", 2 * 2 * 3 * 4 }, { "cholesky", 9 }, { "inv", 54 }, { "sum", 6 }, { "det", 18 }, { "solve", 18 + 2 * 12 * 3 } };
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
    CHECK_NEAR(row_of(CN_PROFILE_OPERATIONS, wanted[i].name, CN_PHASE_FORWARD).flop, wanted[i].flop, 1e-12);
}

static char printed[8192];
static void print(void *user, const char *text) {
  (void)user;
  strncat(printed, text, sizeof printed - strlen(printed) - 1);
}

static cn_model *mlp(void) {
  cn_model *m = cn_Sequential(g, "mlp");
  cn_push(m, cn_Dense(g, 8, .activation = "relu", .name = "hidden"));
  cn_push(m, cn_Dense(g, 1, .name = "last"));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, 3));
  cn_compile(m, .optimizer = "adam", .loss = "mean_squared_error");
  return m;
}

/* The same counts whether steps are recorded or replayed. */
Test(autograd_profile, compiled_models) {
  cn_profile_row rows[2][4];
  for (int k = 0; k < 2; k++) {
    cn_graph_free(g);
    g = cn_graph_new(.seed = 6, .replay = k == 1);
    cn_model *m = mlp();
    for (int i = 0; i < 12; i++) {
      if (i == 6) cn_profile_start(g);
      cn_train_on_batch(m, FLOATS(g, CN_DIMS(2, 3), 1, 2, 3, 4, 5, 6), FLOATS(g, CN_DIMS(2, 1), 1, 0), NULL);
    }
    cn_profile_stop(g);
    rows[k][0] = row_of(CN_PROFILE_OPERATIONS, "linear", CN_PHASE_FORWARD);
    rows[k][1] = row_of(CN_PROFILE_OPERATIONS, "linear", CN_PHASE_BACKWARD);
    rows[k][2] = row_of(CN_PROFILE_LAYERS, "mlp/hidden", CN_PHASE_FORWARD);
    rows[k][3] = row_of(CN_PROFILE_LAYERS, "mlp/hidden", CN_PHASE_BACKWARD);
    cr_assert_eq(row_of(CN_PROFILE_OPERATIONS, "Adam", CN_PHASE_UPDATE).calls, 6 * 4);
  }
  for (int i = 0; i < 4; i++)
    cr_assert(rows[0][i].calls == rows[1][i].calls && rows[0][i].flop == rows[1][i].flop && rows[0][i].bytes == rows[1][i].bytes, "row %d: %d and %d calls", i,
              (int)rows[0][i].calls, (int)rows[1][i].calls);
  cr_assert(rows[0][0].calls == 12 && rows[0][2].calls == 6 && rows[0][3].calls >= 6);
}

Test(autograd_profile, a_report) {
  cn_set_output_callback(g, print, NULL);
  cn_profile_start(g);
  cr_assert(cn_call(g, cn_Dense(g, 2, .name = "scores"), FLOATS(g, CN_DIMS(1, 2), 1, 2)) != NULL);
  cn_profile_stop(g);
  cn_profile_report(g);
  cr_assert(strstr(printed, "operation ") && strstr(printed, "\nlinear ") && strstr(printed, "\nlayer ") && strstr(printed, "\nscores ") &&
                strstr(printed, " forward "),
            "%s", printed);
  cn_profile_start(g);
  cr_assert_eq(cn_profile_rows(g, CN_PROFILE_LAYERS, NULL, 0), 0);
}
