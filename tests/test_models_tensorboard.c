/* Event files of TensorBoard: read back here, and by TensorBoard's own reader where Python has it. */
#include <sys/stat.h>
#include <unistd.h>
#include "test_models_files.h"

FILES_SUITE(models_tensorboard)

/* ---- reading, by the formats' descriptions ---- */
/* CRC-32C bit by bit. */
static uint32_t crc_of(const unsigned char *p, size_t n) {
  uint32_t c = 0xffffffff;
  for (size_t i = 0; i < n; i++) {
    c ^= p[i];
    for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
  }
  return ~c;
}
static void check_masked(const unsigned char *data, size_t n, const unsigned char *stored) {
  const uint32_t crc = crc_of(data, n), masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
  uint32_t got;
  memcpy(&got, stored, 4);
  cr_assert_eq(got, masked);
}

typedef struct view { const unsigned char *p, *end; } view;
typedef struct field { int number, kind; uint64_t integer; double real; view bytes; } field;
static uint64_t varint(view *v) {
  uint64_t x = 0;
  for (int shift = 0;; shift += 7) {
    cr_assert(v->p < v->end && shift < 64);
    x |= (uint64_t)(*v->p & 127) << shift;
    if (*v->p++ < 128) return x;
  }
}
static bool next(view *v, field *f) {
  float single;
  if (v->p == v->end) return false;
  const uint64_t key = varint(v);
  *f = (field){ .number = (int)(key >> 3), .kind = (int)(key & 7) };
  if (f->kind == 0) f->integer = varint(v);
  else if (f->kind == 1) memcpy(&f->real, v->p, 8), v->p += 8;
  else if (f->kind == 5) memcpy(&single, v->p, 4), f->real = single, v->p += 4;
  else {
    cr_assert_eq(f->kind, 2);
    const uint64_t n = varint(v);
    f->bytes = (view){ v->p, v->p + n };
    v->p += n;
  }
  cr_assert(v->p <= v->end);
  return true;
}

/* What was read, as lines: "scalar TAG STEP VALUE", "histogram TAG STEP MIN MAX COUNT SUM SQUARES BUCKETS", "node NAME OPERATION INPUTS", "version TEXT". */
static char read_text[1 << 16];
static void say(const char *format, ...) {
  va_list args;
  va_start(args, format);
  const size_t used = strlen(read_text);
  vsnprintf(read_text + used, sizeof read_text - used, format, args);
  va_end(args);
}
static int length_of(view v) { return (int)(v.end - v.p); }

static void read_histogram(view v) {
  double limits[64], counts[64], total = 0, last = 0;
  field f;
  while (next(&v, &f)) {
    if (f.kind == 1) say(" %g", f.real);
    if (f.kind != 2) continue;
    cr_assert_eq(length_of(f.bytes), 30 * 8);
    memcpy(f.number == 6 ? limits : counts, f.bytes.p, 30 * 8);
  }
  for (int i = 0; i < 30; i++) {
    total += counts[i];
    cr_assert(i == 0 || limits[i] >= last);
    last = limits[i];
  }
  say(" in 30 buckets %g, up to %g", total, last);
}
static void read_value(view v, int64_t step) {
  field f, tag = { .number = 0 };
  while (next(&v, &f)) {
    if (f.number == 1) tag = f;
    if (f.number == 2) say("scalar %.*s %lld %.6g", length_of(tag.bytes), (const char *)tag.bytes.p, (long long)step, f.real);
    if (f.number == 5) say("histogram %.*s %lld", length_of(tag.bytes), (const char *)tag.bytes.p, (long long)step), read_histogram(f.bytes);
  }
  say("\n");
}
static void read_graph(view v) {
  field node, f;
  while (next(&v, &node)) {
    if (node.number != 1) continue;
    say("node");
    while (next(&node.bytes, &f)) say(" %.*s", length_of(f.bytes), (const char *)f.bytes.p);
    say("\n");
  }
}
static void read_event(view v) {
  field f, value;
  int64_t step = 0;
  while (next(&v, &f)) {
    if (f.number == 1) cr_assert(f.real > 1.7e9, "seconds since 1970");
    if (f.number == 2) step = (int64_t)f.integer;
    if (f.number == 3) say("version %.*s\n", length_of(f.bytes), (const char *)f.bytes.p);
    if (f.number == 4) read_graph(f.bytes);
    if (f.number == 5)
      while (next(&f.bytes, &value)) read_value(value.bytes, step);
  }
}

/* The one event file of a folder. */
static const char *event_file(const char *name) {
  static char path[512];
  DIR *d = opendir(in_folder(folder, name));
  int n = 0;
  for (const struct dirent *e; d && (e = readdir(d));)
    if (strstr(e->d_name, "tfevents")) snprintf(path, sizeof path, "%s/%s/%s", folder, name, e->d_name), n++;
  if (d) closedir(d);
  cr_assert_eq(n, 1, "%d files in %s", n, name);
  return path;
}
static const char *read_events(const char *name) {
  FILE *f = fopen(event_file(name), "rb");
  static unsigned char data[1 << 20];
  const size_t n = f ? fread(data, 1, sizeof data, f) : 0;
  cr_assert(f && fclose(f) == 0 && n > 0 && n < sizeof data);
  *read_text = '\0';
  for (size_t at = 0; at < n;) {
    uint64_t length;
    cr_assert(at + 12 <= n);
    memcpy(&length, data + at, 8);
    cr_assert(at + 16 + length <= n);
    check_masked(data + at, 8, data + at + 8);
    check_masked(data + at + 12, length, data + at + 12 + length);
    read_event((view){ data + at + 12, data + at + 12 + length });
    at += 16 + length;
  }
  return read_text;
}

/* ---- what is written ---- */
static const float xs[] = { 1, 2, 3, 4 }, ys[] = { 2, 4, 6, 8 };
static cn_dataset *data(void) { return cn_dataset_from_arrays(g, CN_F32, CN_DIMS(4, 1), xs, CN_F32, CN_DIMS(4, 1), ys); }
static cn_model *line(void) {
  cn_model *m = cn_Sequential(g, "line");
  cn_push(m, cn_Dense(g, 3, .kernel_initializer = "ones", .use_bias = false, .name = "first"));
  cn_push(m, cn_Dense(g, 1, .kernel_initializer = "ones", .use_bias = false, .name = "second"));
  cn_compile(m, .optimizer = "sgd(1e-9)", .loss = "mse", .metrics = "mae");
  return m;
}

Test(models_tensorboard, the_checksum_is_that_of_the_standard) { cr_assert_eq(crc_of((const unsigned char *)"123456789", 9), 0xe3069283); }

Test(models_tensorboard, values_histograms_and_graph) {
  cn_callback *c = cn_callback_TensorBoard(g, folder, .histogram_freq = 2, .update_freq = 3);
  cr_assert(cn_fit(line(), data(), .epochs = 3, .batch_size = 2, .shuffle = false, .verbose = 0, .validation_data = data(), .validation_freq = 2,
                   .callbacks = CN_CALLBACKS(c)),
            "%s", cn_error(g));
  cr_assert_str_eq(read_events("train"),
                   "version brain.Event:2\nnode line/first Dense\nnode line/second Dense line/first\n" /* the model gives 3 x, wanted are 2 x */
                   "scalar epoch_loss 0 7.5\nscalar epoch_mae 0 2.5\nscalar epoch_learning_rate 0 1e-09\n"
                   "histogram line/first/kernel/histogram 0 1 1 3 3 3 in 30 buckets 3, up to 1\nhistogram line/second/kernel/histogram 0 1 1 3 3 3 in 30 "
                   "buckets 3, up to 1\n"
                   "scalar batch_loss 3 2.5\nscalar batch_mae 3 1.5\nscalar epoch_loss 1 7.5\nscalar epoch_mae 1 2.5\nscalar epoch_learning_rate 1 1e-09\n"
                   "scalar batch_loss 6 7.5\nscalar batch_mae 6 2.5\nscalar epoch_loss 2 7.5\nscalar epoch_mae 2 2.5\nscalar epoch_learning_rate 2 1e-09\n"
                   "histogram line/first/kernel/histogram 2 1 1 3 3 3 in 30 buckets 3, up to 1\nhistogram line/second/kernel/histogram 2 1 1 3 3 3 in 30 "
                   "buckets 3, up to 1\n");
  cr_assert_str_eq(read_events("validation"), "version brain.Event:2\nscalar epoch_loss 1 7.5\nscalar evaluation_loss_vs_iterations 4 7.5\nscalar epoch_mae 1 "
                                              "2.5\nscalar evaluation_mae_vs_iterations 4 2.5\n");
}

/* Values that are not finite are left out, a value of the largest bucket's upper end is in it. */
static bool spread_weights(cn_callback *c, int64_t epoch) {
  const float v[] = { -1, NAN, 2 };
  (void)epoch;
  return cn_assign_data(weight_at(cn_model_layer(c->model), 0), v);
}
Test(models_tensorboard, a_histogram_of_what_is_finite) {
  cn_model *m = line();
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, 1));
  cn_callback *c = cn_callback_TensorBoard(g, folder, .histogram_freq = 1),
              *set = cn_callback_new(g, &(const cn_callback_methods){ .epoch_begin = spread_weights }, NULL);
  cn_layer_set_trainable(cn_model_layer(m), false);
  cr_assert(cn_fit(m, data(), .verbose = 0, .callbacks = CN_CALLBACKS(set, c)), "%s", cn_error(g));
  const char *text = read_events("train");
  cr_assert(strstr(text, "histogram line/first/kernel/histogram 0 -1 2 2 1 5 in 30 buckets 2, up to 2\n") && strstr(text, "scalar epoch_loss 0 nan\n"), "%s",
            text);
}

Test(models_tensorboard, a_graph_of_branches_and_rates_of_steps) {
  cn_tensor *x = cn_Input(g, .shape = CN_DIMS(1), .name = "in");
  cn_tensor *a = cn_call(g, cn_Dense(g, 3, .name = "a"), x), *b = cn_call(g, cn_Dense(g, 3, .name = "b"), x);
  cn_tensor *y = cn_call(g, cn_Dense(g, 1, .name = "out"), cn_call(g, cn_Add(g, .name = "both"), CN_NO_TENSOR, .inputs = CN_TENSORS(a, b)));
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(y), .name = "net");
  cn_compile(m, .optimizer = "sgd(0.01)", .loss = "mse");
  cn_callback *c = cn_callback_TensorBoard(g, folder, .write_steps_per_second = true);
  cr_assert(cn_fit(m, data(), .verbose = 0, .callbacks = CN_CALLBACKS(c)), "%s", cn_error(g));
  const char *text = read_events("train");
  cr_assert(
      strstr(text, "node net/in InputLayer\nnode net/a Dense net/in\nnode net/b Dense net/in\nnode net/both Add net/a net/b\nnode net/out Dense net/both\n"),
      "%s", text);
  cr_assert(strstr(text, "scalar epoch_steps_per_second 0 "), "%s", text);
}

typedef struct failing { int64_t left; } failing;
static bool fail_later(cn_callback *c, int64_t batch, cn_logs *logs) {
  failing *f = c->user;
  (void)batch;
  (void)logs;
  return f->left-- || (cn_fail(c->object.graph, CN_VALUE, "enough"), false);
}
/* Fails in its second epoch and goes on from a backup; the event files are lost in between, or not. */
static void train_in_two(const char *events, bool lost) {
  failing f = { 5 };
  for (int i = 0; i < 2; i++) {
    cn_callback *c = cn_callback_TensorBoard(g, events, .write_graph = false, .update_freq = 1),
                *backup = cn_callback_BackupAndRestore(g, in_folder(folder, "b"), .save_freq = 2);
    cn_callback *end_it = cn_callback_new(g, &(const cn_callback_methods){ .batch_end = fail_later }, &f);
    const cn_history *h = cn_fit(line(), data(), .epochs = 3, .batch_size = 2, .verbose = 0, .callbacks = CN_CALLBACKS(c, backup, end_it));
    cr_assert(i ? h != NULL : h == NULL, "%s", cn_error(g));
    if (!i) CHECK_REFUSED(g, CN_VALUE, "enough (called from fit, batch 1)");
    if (!i && lost) folder_remove(events);
    f.left = 99;
  }
}

Test(models_tensorboard, a_training_that_goes_on_writes_on) {
  train_in_two(folder, false);
  const char *text = read_events("train");
  for (int k = 1; k <= 6; k++) {
    const char *line_of = text_of("scalar batch_loss %d ", k), *first = strstr(text, line_of);
    cr_assert(first && !strstr(first + 1, line_of), "batch %d: %s", k, text);
  }
}

Test(models_tensorboard, files_that_were_lost_begin_anew) {
  train_in_two(in_folder(folder, "t"), true);
  const char *text = read_events("t/train");
  cr_assert(strstr(text, "scalar batch_loss 6 ") && !strstr(text, "scalar batch_loss 2 "), "%s", text);
}

Test(models_tensorboard, refused_before_training) {
  cr_assert_null(cn_fit(line(), data(), .verbose = 0, .callbacks = CN_CALLBACKS(cn_callback_TensorBoard(g, "/proc/none"))));
  CHECK_REFUSED(g, CN_IO, "TensorBoard: /proc/none/train: No such file or directory");
}

/* ---- TensorBoard's own reader ---- */
Test(models_tensorboard, its_own_reader) {
  if (system("python3 -c 'import tensorboard' 2> /dev/null") != 0) cr_skip_test("Python has no tensorboard here");
  cn_callback *c = cn_callback_TensorBoard(g, folder, .histogram_freq = 1, .update_freq = 1);
  cr_assert(cn_fit(line(), data(), .epochs = 2, .batch_size = 2, .verbose = 0, .callbacks = CN_CALLBACKS(c)), "%s", cn_error(g));
  FILE *f = fopen(in_folder(folder, "read.py"), "w");
  cr_assert(f);
  fputs("import sys\n"
        "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
        "a = EventAccumulator(sys.argv[1])\n"
        "a.Reload()\n"
        "t = a.Tags()\n"
        "values = [(e.step, e.value) for e in a.Scalars('epoch_loss')] if 'epoch_loss' in t['scalars'] else [(e.step, float(e.tensor_proto.float_val[0])) for "
        "e in a.Tensors('epoch_loss')]\n"
        "assert values == [(0, 7.5), (1, 7.5)], values\n"
        "assert len(a.Graph().node) == 2\n"
        "assert 'line/first/kernel/histogram' in t['histograms'] + t['tensors'], t\n",
        f);
  cr_assert(fclose(f) == 0);
  cr_assert_eq(system(text_of("python3 %s/read.py %s", folder, event_file("train"))), 0);
}
