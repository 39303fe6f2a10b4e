/* What a user does wrong, and the one line that says so: where, what, which shapes; and that nothing was changed. */
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>
#include "test_layers.h"

static cn_graph *g;
static cn_model *m;
static char path[64];

static cn_tensor *weight(int64_t i) {
  cn_tensor *w[4];
  cr_assert_eq(cn_weights(cn_model_layer(m), w, 4), 4);
  return w[i];
}

static void begin(void) {
  g = cn_graph_new(.seed = 1);
  m = cn_Sequential(g, "mlp");
  cn_push(m, cn_Dense(g, 4, .activation = "relu", .name = "hidden"));
  cn_push(m, cn_Dense(g, 3, .name = "scores"));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, 2));
  cn_compile(m, .optimizer = "sgd(0.5)", .loss = "sparse_categorical_crossentropy(from_logits=true)", .metrics = "accuracy");
  CHECK_OK(g);
  snprintf(path, sizeof path, "/tmp/cornu-errors-XXXXXX");
  const int file = mkstemp(path);
  cr_assert_geq(file, 0);
  close(file);
}
static void end(void) {
  cn_graph_free(g);
  unlink(path);
}
TestSuite(models_errors, .init = begin, .fini = end);

#define REFUSED(code, text)                                             \
  do {                                                                  \
    cr_assert_str_eq(cn_error(g), text);                                \
    cr_assert_eq(cn_error_code(g), code, "code %d", (int)cn_error_code(g)); \
    cn_graph_clear(g);                                                  \
  } while (0)

static double all_weights(void) {
  double sum = 0;
  for (int64_t i = 0; i < 4; i++)
    for (int64_t k = 0; k < cn_count(weight(i)); k++) sum += cn_at(weight(i), k) * (double)(7 * i + k + 1);
  return sum;
}

Test(models_errors, a_shape) {
  const double before = all_weights();
  cr_assert(isnan(cn_train_on_batch(m, cn_ones(g, CN_F32, CN_DIMS(5, 3)), INTEGERS(g, CN_DIMS(5), 0, 1, 2, 0, 1), NULL)));
  REFUSED(CN_SHAPE, "Dense: input 0 does not fit: expected axis -1 to have value 2, found shape [5,3] (in mlp/hidden)");
  cr_assert_null(cn_matmul(g, cn_ones(g, CN_F32, CN_DIMS(4, 3)), cn_ones(g, CN_F32, CN_DIMS(5, 7))));
  REFUSED(CN_SHAPE, "matmul: inner sizes differ: [4,3] x [5,7]");
  cr_assert_eq(all_weights(), before);
}

Test(models_errors, an_unknown_option) {
  cr_assert_null(cn_layer_from(g, "Dense(4, activaton=relu)"));
  REFUSED(CN_VALUE, "Dense: no option \"activaton\"; did you mean \"activation\"?");
  cr_assert(!cn_compile(m, .optimizer = "adam(learnin_rate=1)", .loss = "mse"));
  REFUSED(CN_VALUE, "Adam: no option \"learnin_rate\"; did you mean \"learning_rate\"?");
  cr_assert_gt(cn_train_on_batch(m, cn_ones(g, CN_F32, CN_DIMS(2, 2)), INTEGERS(g, CN_DIMS(2), 0, 1), NULL), 0, "it is compiled as before");
}

Test(models_errors, an_unknown_name) {
  cr_assert_null(cn_Dense(g, 4, .activation = "rellu"));
  REFUSED(CN_VALUE, "Dense: unknown activation \"rellu\"; did you mean \"relu\"?");
  cr_assert(!cn_compile(m, .optimizer = "adamm", .loss = "mse"));
  REFUSED(CN_VALUE, "unknown optimizer \"adamm\"; did you mean \"adam\"?");
  cr_assert(!cn_compile(m, .loss = "mean_squared_eror"));
  REFUSED(CN_VALUE, "unknown loss \"mean_squared_eror\"; did you mean \"mean_squared_error\"?");
}

Test(models_errors, a_label) {
  const double before = all_weights();
  cr_assert(isnan(cn_train_on_batch(m, cn_ones(g, CN_F32, CN_DIMS(3, 2)), INTEGERS(g, CN_DIMS(3), 0, 3, 1), NULL)));
  REFUSED(CN_INDEX, "sparse_categorical_crossentropy: label 3 at position 1 is out of range for 3 classes");
  cr_assert_eq(all_weights(), before);
}

/* Batches of 2: the label of the third is wrong. The weights are those after the second. */
Test(models_errors, a_label_in_the_middle_of_fit) {
  const float x[] = { 1, 0, 0, 1, 1, 1, 0, 0, 0.5, 0.5, 1, 0 };
  const int32_t good[] = { 0, 1, 2, 0 }, bad[] = { 0, 1, 2, 0, 7, 0 };
  cr_assert(cn_fit(m, cn_dataset_from_arrays(g, CN_F32, CN_DIMS(4, 2), x, CN_I32, CN_DIMS(4), good), .batch_size = 2, .shuffle = false, .verbose = 0));
  const double after_two = all_weights();
  end();
  begin();
  cr_assert_null(cn_fit(m, cn_dataset_from_arrays(g, CN_F32, CN_DIMS(6, 2), x, CN_I32, CN_DIMS(6), bad), .batch_size = 2, .shuffle = false, .verbose = 0));
  REFUSED(CN_INDEX, "sparse_categorical_crossentropy: label 7 at position 0 is out of range for 3 classes (called from fit, batch 2)");
  cr_assert_eq(all_weights(), after_two);
}

static void write_file(const void *bytes, size_t size) {
  FILE *f = fopen(path, "wb");
  cr_assert(f && fwrite(bytes, 1, size, f) == size && !fclose(f));
}

Test(models_errors, a_truncated_gz) {
  unsigned char idx[16 + 3000] = { 0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 10, 0, 0, 0, 100 }, packed[4096];
  for (int i = 0; i < 3000; i++) idx[16 + i] = (unsigned char)(i * i / 7);
  gzFile f = gzopen(path, "wb");
  cr_assert(f && gzwrite(f, idx, sizeof idx) == (int)sizeof idx && gzclose(f) == Z_OK);
  FILE *p = fopen(path, "rb");
  const size_t size = fread(packed, 1, sizeof packed, p);
  fclose(p);
  write_file(packed, size / 2);
  cr_assert_null(cn_read_idx(g, path));
  char wanted[200];
  snprintf(wanted, sizeof wanted, "read_idx: %s: ends after ", strrchr(path, '/') + 1);
  cr_assert(strstr(cn_error(g), wanted) == cn_error(g) && strstr(cn_error(g), " of 3,016 bytes"), "%s", cn_error(g));
  cr_assert_eq(cn_error_code(g), CN_FORMAT);
}

Test(models_errors, a_csv_without_a_column) {
  write_file("a,b\n1,2\n3,4\n", 12);
  cr_assert_null(cn_read_csv(g, path, .columns = CN_STRINGS("a", "c")));
  char wanted[200];
  snprintf(wanted, sizeof wanted, "read_csv: %s: no column \"c\"; did you mean \"a\"?", strrchr(path, '/') + 1);
  cr_assert_str_eq(cn_error(g), wanted);
}

Test(models_errors, weights_of_another_shape) {
  cn_model *other = cn_Sequential(g, "mlp");
  cn_push(other, cn_Dense(g, 4, .activation = "relu", .name = "hidden"));
  cn_push(other, cn_Dense(g, 5, .name = "scores"));
  cn_model_build(other, CN_DIMS(CN_UNKNOWN, 2));
  cr_assert(cn_save_weights(other, path), "%s", cn_error(g));
  const double before = all_weights();
  cr_assert(!cn_load_weights(m, path));
  char wanted[200];
  snprintf(wanted, sizeof wanted, "load_weights: %s: mlp/scores/kernel is float32 [4,5], the model's is float32 [4,3]", path);
  cr_assert_str_eq(cn_error(g), wanted);
  cn_graph_clear(g);
  cr_assert_eq(all_weights(), before);
}

Test(models_errors, weights_of_another_model) {
  cn_model *other = cn_Sequential(g, "mlp");
  cn_push(other, cn_Dense(g, 4, .name = "hidden"));
  cn_model_build(other, CN_DIMS(CN_UNKNOWN, 2));
  cr_assert(cn_save_weights(other, path), "%s", cn_error(g));
  cr_assert(!cn_load_weights(m, path));
  cr_assert(strstr(cn_error(g), "mlp/scores/"), "%s", cn_error(g));
}

Test(models_errors, weights_come_back) {
  const double before = all_weights();
  cr_assert(cn_save_weights(m, path), "%s", cn_error(g));
  cn_train_on_batch(m, cn_ones(g, CN_F32, CN_DIMS(2, 2)), INTEGERS(g, CN_DIMS(2), 0, 1), NULL);
  cr_assert_neq(all_weights(), before);
  cr_assert(cn_load_weights(m, path), "%s", cn_error(g));
  cr_assert_eq(all_weights(), before);
}

Test(models_errors, a_tensor_after_a_reset) {
  cn_tensor *x = cn_ones(g, CN_F32, CN_DIMS(2, 2));
  cn_graph_reset(g);
  cr_assert_null(cn_exp(g, x));
  REFUSED(CN_STATE, "exp: tensor from before the last reset");
}

Test(models_errors, a_variable_changed_before_backward) {
  cn_tensor *w = cn_variable(g, CN_F32, CN_DIMS(2), (const float[]){ 1, 2 }), *y = cn_square(g, w);
  cn_set_name(w, "w");
  cn_backward(g, cn_sum(g, cn_square(g, w)));
  cn_assign(w, cn_ones(g, CN_F32, CN_DIMS(2)));
  cr_assert(!cn_backward(g, y));
  REFUSED(CN_STATE, "backward: variable w, input 0 of square, was changed after square had read it");
  cr_assert_eq(cn_at(cn_grad(w), 1), 4, "the gradient is still the one before");
}
