/* ModelCheckpoint and CSVLogger. */
#include <sys/stat.h>
#include <unistd.h>
#include "test_models_files.h"

FILES_SUITE(models_checkpoint)

static const float xs[] = { 1, 2, 3, 4 }, ys[] = { 2, 4, 6, 8 };
static cn_dataset *data(void) { return cn_dataset_from_arrays(g, CN_F32, CN_DIMS(4, 1), xs, CN_F32, CN_DIMS(4, 1), ys); }
static cn_model *line(const char *optimizer) {
  cn_model *m = cn_Sequential(g, "line");
  cn_push(m, cn_Dense(g, 1, .kernel_initializer = "ones", .name = "d"));
  cn_compile(m, .optimizer = optimizer, .loss = "mse", .metrics = "mae");
  return m;
}
static bool exists(const char *name) { return access(in_folder(folder, name), F_OK) == 0; }
#define FIT(m, c, ...) cn_fit(m, data(), .batch_size = 2, .shuffle = false, .verbose = 0, .callbacks = CN_CALLBACKS(c), __VA_ARGS__)

/* ---- ModelCheckpoint ---- */
Test(models_checkpoint, a_file_each_epoch_named_by_its_values) {
  cn_callback *c = cn_callback_ModelCheckpoint(g, in_folder(folder, "new/folder/e{epoch:03d}-{loss:.2f}{{x}}.safetensors"), .save_weights_only = true);
  const cn_history *h = FIT(line("sgd(0.01)"), c, .epochs = 2);
  cr_assert(h, "%s", cn_error(g));
  for (int e = 0; e < 2; e++) {
    char name[96];
    snprintf(name, sizeof name, "new/folder/e%03d-%.2f{x}.safetensors", e + 1, cn_history_at(h, "loss", e));
    cr_assert(exists(name), "%s", name);
  }
}

Test(models_checkpoint, a_whole_model_comes_back) {
  cn_model *m = line("sgd(0.01)");
  cn_callback *c = cn_callback_ModelCheckpoint(g, in_folder(folder, "m.safetensors"));
  cr_assert(FIT(m, c, .epochs = 3), "%s", cn_error(g));
  cn_graph *other = cn_graph_new(.seed = 9);
  cn_model *back = cn_load_model(other, in_folder(folder, "m.safetensors"));
  cr_assert(back, "%s", cn_error(other));
  for (int i = 0; i < 2; i++) CHECK_NEAR(cn_at(weight_at(cn_model_layer(back), i), 0), cn_at(weight_at(cn_model_layer(m), i), 0), 0);
  cr_assert(cn_save_weights(m, in_folder(folder, "w.safetensors")));
  cr_assert_null(cn_load_model(other, in_folder(folder, "w.safetensors")));
  CHECK_REFUSED(other, CN_FORMAT, text_of("load_model: %s: has weights only, no config of a model", in_folder(folder, "w.safetensors")));
  cn_graph_free(other);
}

Test(models_checkpoint, only_better_values) {
  cn_model *m = line("sgd(0.2)"); /* diverges at once */
  cn_callback *c = cn_callback_ModelCheckpoint(g, in_folder(folder, "{epoch}.safetensors"), .monitor = "loss", .save_best_only = true);
  cr_assert(cn_fit(m, data(), .epochs = 3, .batch_size = 4, .verbose = 0, .callbacks = CN_CALLBACKS(c)), "%s", cn_error(g));
  cr_assert(exists("1.safetensors") && !exists("2.safetensors") && !exists("3.safetensors"));
  cn_callback *low =
      cn_callback_ModelCheckpoint(g, in_folder(folder, "low{epoch}.safetensors"), .monitor = "mae", .save_best_only = true, .initial_value_threshold = 1e-9);
  cn_callback *high = cn_callback_ModelCheckpoint(g, in_folder(folder, "high{epoch}.safetensors"), .monitor = "mae", .save_best_only = true, .mode = "max",
                                                  .initial_value_threshold = 1e-9);
  cr_assert(cn_fit(line("sgd(0.001)"), data(), .verbose = 0, .callbacks = CN_CALLBACKS(low, high)), "%s", cn_error(g));
  cr_assert(!exists("low1.safetensors") && exists("high1.safetensors"));
  cn_callback *none =
      cn_callback_ModelCheckpoint(g, in_folder(folder, "none{epoch}.safetensors"), .save_best_only = true); /* there is no val_loss: saved as Keras does */
  cr_assert(FIT(line("sgd(0.001)"), none, .epochs = 2), "%s", cn_error(g));
  cr_assert(exists("none1.safetensors") && exists("none2.safetensors"));
}

Test(models_checkpoint, every_third_batch) {
  cn_callback *c = cn_callback_from(g, text_of("ModelCheckpoint(\"%s\", save_freq=3)", in_folder(folder, "{epoch}-{batch}-{mae:.1f}.safetensors")));
  cr_assert(c, "%s", cn_error(g));
  cr_assert(cn_fit(line("sgd(0)"), data(), .epochs = 4, .batch_size = 2, .shuffle = false, .verbose = 0, .callbacks = CN_CALLBACKS(c)), "%s", cn_error(g));
  cr_assert(exists("2-1-1.5.safetensors") && exists("3-2-2.5.safetensors")); /* batches 3 and 6 of 8, two an epoch; errors 1, 2, 3, 4 */
  cr_assert_eq(files_in(folder), 2);
}

static void collect(void *user, const char *text) { strncat(user, text, 400); }
Test(models_checkpoint, tells_what_it_does) {
  char told[1024] = "";
  cn_set_output_callback(g, collect, told);
  const char *path = in_folder(folder, "m.safetensors");
  cn_callback *c = cn_callback_ModelCheckpoint(g, path, .monitor = "mae", .verbose = 1, .save_best_only = true);
  cr_assert(cn_fit(line("sgd(0)"), data(), .epochs = 2, .batch_size = 4, .verbose = 0, .callbacks = CN_CALLBACKS(c)), "%s", cn_error(g));
  cr_assert_str_eq(told, text_of("\nEpoch 1: mae improved from None to 2.50000, saving model to %s\n\nEpoch 2: mae did not improve from 2.50000\n",
                                 in_folder(folder, "m.safetensors")));
}

static void refuse(cn_callback *c, cn_code code, const char *text) {
  cn_model *m = line("sgd(0.01)");
  cr_assert_null(FIT(m, c, .epochs = 2));
  CHECK_REFUSED(g, code, text);
  cr_assert_eq(cn_optimizer_iterations(cn_model_optimizer(m)), 0, "refused before the first step");
}
Test(models_checkpoint, refused_before_training) {
  cr_assert(cn_save_weights(NULL, "x") == false);
  FILE *f = fopen(in_folder(folder, "file"), "w");
  cr_assert(f && fclose(f) == 0);
  refuse(cn_callback_ModelCheckpoint(g, in_folder(folder, "file/m.safetensors")), CN_IO,
         text_of("ModelCheckpoint: %s: Not a directory", in_folder(folder, "file")));
  refuse(cn_callback_ModelCheckpoint(g, "/proc/none/{epoch}/m.safetensors"), CN_IO, "ModelCheckpoint: /proc/none: No such file or directory");
  refuse(cn_callback_ModelCheckpoint(g, in_folder(folder, "{val_loss}.safetensors")), CN_VALUE, "ModelCheckpoint: filepath: there is no value {val_loss}");
  refuse(cn_callback_ModelCheckpoint(g, in_folder(folder, "{batch}.safetensors")), CN_VALUE, "ModelCheckpoint: filepath: there is no value {batch}");
  refuse(cn_callback_ModelCheckpoint(g, in_folder(folder, "{loss:02d}.safetensors")), CN_VALUE,
         "ModelCheckpoint: filepath: {loss:02d}: \"02d\" is no format of a real number");
  refuse(cn_callback_ModelCheckpoint(g, in_folder(folder, "{epoch:x}.safetensors")), CN_VALUE,
         "ModelCheckpoint: filepath: {epoch:x}: \"x\" is no format of an integer");
  refuse(cn_callback_CSVLogger(g, in_folder(folder, "file/log.csv")), CN_IO, text_of("CSVLogger: %s: Not a directory", in_folder(folder, "file/log.csv")));
  cr_assert_null(cn_callback_ModelCheckpoint(g, "m.onnx"));
  CHECK_REFUSED(g, CN_VALUE, "ModelCheckpoint: filepath must end in .safetensors, .keras or .h5, got \"m.onnx\"");
  cr_assert_null(cn_callback_ModelCheckpoint(g, "m.h5", .save_weights_only = true));
  CHECK_REFUSED(g, CN_VALUE, "ModelCheckpoint: filepath must end in .safetensors, or .weights.h5 for weights only, got \"m.h5\"");
  cr_assert_null(cn_callback_ModelCheckpoint(g));
  CHECK_REFUSED(g, CN_VALUE, "ModelCheckpoint: filepath is required");
  cr_assert_null(cn_callback_CSVLogger(g, "log.csv", .separator = ", "));
  CHECK_REFUSED(g, CN_VALUE, "CSVLogger: separator must be one character, got \", \"");
}

/* ---- formats, against what Python's format gives ---- */
Test(models_checkpoint, formats_of_python) {
  static const struct { const char *pattern, *text;
  } cases[] = {
    { "{epoch}", "1" },        { "{epoch:5d}", "    1" }, { "{epoch:<4}|", "1   |" },   { "{epoch:*^5}", "**1**" },    { "{epoch:+03d}", "+01" },
    { "{epoch:.2f}", "1.00" }, { "{mae:.3f}", "2.500" },  { "{mae}", "2.5" },           { "{mae:08.2f}", "00002.50" }, { "{mae:.1e}", "2.5e+00" },
    { "{mae:.0%}", "250%" },   { "{mae: .2g}", " 2.5" },  { "{mae:x>6.1f}", "xxx2.5" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *pattern = text_of("%s.safetensors", cases[i].pattern), *want = text_of("%s.safetensors", cases[i].text);
    cn_callback *c = cn_callback_ModelCheckpoint(g, in_folder(folder, pattern), .save_weights_only = true);
    cr_assert(cn_fit(line("sgd(0)"), data(), .batch_size = 4, .verbose = 0, .callbacks = CN_CALLBACKS(c)), "%s", cn_error(g));
    cr_assert(exists(want), "%s: no %s", pattern, want);
  }
}

/* ---- CSVLogger ---- */
#define CHECK_FILE(name, text) cr_assert_str_eq(file_text(in_folder(folder, name)), text)
static bool add_name(cn_callback *c, int64_t epoch, cn_logs *logs) { return (void)c, cn_log_put(logs, "a,\"b\"", (double)epoch / 8); }

Test(models_checkpoint, a_table_with_the_columns_of_keras) {
  cn_callback *c = cn_callback_CSVLogger(g, in_folder(folder, "log.csv")),
              *added = cn_callback_new(g, &(const cn_callback_methods){ .epoch_end = add_name, .log = "a,\"b\"" }, NULL);
  cr_assert(cn_fit(line("sgd(0)"), data(), .epochs = 2, .batch_size = 4, .verbose = 0, .callbacks = CN_CALLBACKS(added, c)), "%s", cn_error(g));
  CHECK_FILE("log.csv", "epoch,\"a,\"\"b\"\"\",loss,mae,\"val_a,\"\"b\"\"\",val_loss,val_mae\r\n0,0,7.5,2.5,NA,NA,NA\r\n1,0.125,7.5,2.5,NA,NA,NA\r\n");
  cn_callback *again = cn_callback_CSVLogger(g, in_folder(folder, "log.csv"), .separator = ";", .append = true);
  cr_assert(FIT(line("sgd(0)"), again, .epochs = 1), "%s", cn_error(g));
  CHECK_FILE("log.csv",
             "epoch,\"a,\"\"b\"\"\",loss,mae,\"val_a,\"\"b\"\"\",val_loss,val_mae\r\n0,0,7.5,2.5,NA,NA,NA\r\n1,0.125,7.5,2.5,NA,NA,NA\r\n0;7.5;2.5;NA;NA\r\n");
  cr_assert(FIT(line("sgd(0)"), c, .epochs = 1), "%s", cn_error(g));
  CHECK_FILE("log.csv", "epoch,loss,mae,val_loss,val_mae\r\n0,7.5,2.5,NA,NA\r\n");
}

Test(models_checkpoint, validation_in_some_epochs) {
  cn_callback *c = cn_callback_CSVLogger(g, in_folder(folder, "log.csv"), .append = true);
  cr_assert(FIT(line("sgd(0)"), c, .epochs = 2, .validation_data = data(), .validation_freq = 2), "%s", cn_error(g));
  CHECK_FILE("log.csv", "epoch,loss,mae,val_loss,val_mae\r\n0,7.5,2.5,NA,NA\r\n1,7.5,2.5,7.5,2.5\r\n");
  cr_assert(FIT(line("sgd(0)"), c, .epochs = 1, .validation_data = data()), "%s", cn_error(g));
  CHECK_FILE("log.csv", "epoch,loss,mae,val_loss,val_mae\r\n0,7.5,2.5,NA,NA\r\n1,7.5,2.5,7.5,2.5\r\n0,7.5,2.5,7.5,2.5\r\n");
}

/* Epochs without validation do not count as ones without improvement: Keras skips them. */
Test(models_checkpoint, epochs_without_the_value_are_passed_over) {
  cn_callback *c = cn_callback_EarlyStopping(g, .patience = 1);
  const cn_history *h = FIT(line("sgd(0)"), c, .epochs = 9, .validation_data = data(), .validation_freq = 3);
  cr_assert(h && h->epochs == 6, "%lld", h ? (long long)h->epochs : -1);
}
