/* The workloads: multi-layer perceptrons, text classification, inference, the main job (through layers); skip-gram, scalars, Hessian-vector products (through
 * operations). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

uint32_t hash(uint32_t seed, uint32_t i) {
  uint32_t x = i + seed * 0x9E3779B9u;
  x ^= x >> 16;
  x *= 0x7FEB352Du;
  x ^= x >> 15;
  x *= 0x846CA68Bu;
  return x ^ x >> 16;
}
static double unit(uint32_t seed, uint32_t i) { return (double)(hash(seed, i) >> 8) * 0x1p-24; }
float symmetric(uint32_t seed, uint32_t i) { return (float)(2 * unit(seed, i) - 1); }

float *floats(workload *w, int64_t n, uint32_t seed, double scale) {
  float *p = malloc((size_t)n * sizeof *p);
  for (int64_t i = 0; p && i < n; i++) p[i] = (float)(scale * (double)symmetric(seed, (uint32_t)i));
  (void)w;
  return p;
}

void set_weights(cn_model *m) {
  cn_tensor *w[32];
  const int64_t n = cn_weights(cn_model_layer(m), w, 32);
  uint32_t k = 1;
  for (int64_t i = 0; i < n; i++) {
    const cn_dims d = cn_dims_of(w[i]);
    if (d.rank < 2) continue;
    const bool table = strstr(cn_name_of(w[i]), "embeddings") != NULL;
    float *v = floats(NULL, cn_count(w[i]), k++, table ? 0.05 : sqrt(6.0 / (double)(d.d[0] + d.d[1])));
    cn_assign_data(w[i], v);
    free(v);
  }
}

static const float *row(const float *p, int64_t batch, int64_t i, int64_t width) { return p + i % 8 * batch * width; }

/* ---- perceptrons ---- */
static cn_model *perceptron(cn_graph *g, int64_t in, int64_t hidden, int64_t layers, int64_t out, const char *activation) {
  cn_model *m = cn_Sequential(g, "mlp");
  for (int64_t i = 0; i < layers; i++) cn_push(m, cn_Dense(g, hidden, .activation = { .name = activation }));
  cn_push(m, cn_Dense(g, out));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, in));
  set_weights(m);
  return m;
}

static bool tiny_setup(workload *w) {
  w->m = perceptron(w->g, 2, 16, 2, 1, "tanh");
  cn_compile(w->m, .optimizer = "sgd(0.01)", .loss = "mse");
  w->x = floats(w, 8 * w->batch * 2, 1000, 1);
  w->y = malloc((size_t)(8 * w->batch) * sizeof(float));
  for (int64_t i = 0; i < 8 * w->batch; i++) w->y[i] = w->x[2 * i] * w->x[2 * i + 1];
  return cn_ok(w->g);
}
static void tiny_step(workload *w, int64_t i) {
  cn_graph *g = w->g;
  w->v[7] = cn_train_step(w->m, cn_array(g, CN_F32, CN_DIMS(w->batch, 2), row(w->x, w->batch, i, 2)),
                          cn_array(g, CN_F32, CN_DIMS(w->batch, 1), row(w->y, w->batch, i, 1)), NULL);
}
static double step_loss(workload *w) { return cn_item(w->v[7]); }

static void labels_of(workload *w, uint32_t classes) {
  w->labels = malloc((size_t)(8 * w->batch) * sizeof *w->labels);
  for (int64_t i = 0; i < 8 * w->batch; i++) w->labels[i] = (int32_t)(hash(1001, (uint32_t)i) % classes);
}
static bool classifier_setup(workload *w) {
  const bool wide = w->size == 2048;
  w->m = perceptron(w->g, w->size, wide ? 2048 : 512, wide ? 4 : 2, 10, "relu");
  cn_compile(w->m, .optimizer = wide ? "sgd(0.01)" : "adam(1e-3)", .loss = "sparse_categorical_crossentropy(from_logits=true)");
  w->x = floats(w, 8 * w->batch * w->size, 1000, 1);
  labels_of(w, 10);
  return cn_ok(w->g);
}
static void classifier_step(workload *w, int64_t i) {
  cn_graph *g = w->g;
  w->v[7] = cn_train_step(w->m, cn_array(g, CN_F32, CN_DIMS(w->batch, w->size), row(w->x, w->batch, i, w->size)),
                          cn_array(g, CN_I32, CN_DIMS(w->batch), w->labels + i % 8 * w->batch), NULL);
}

static bool infer_setup(workload *w) {
  w->m = perceptron(w->g, 784, 512, 2, 10, "relu");
  w->x = floats(w, 8 * 784, 1000, 1);
  return cn_ok(w->g);
}
static void infer_step(workload *w, int64_t i) {
  float logits[10] = { 0 };
  cn_predict_into(w->m, cn_array(w->g, CN_F32, CN_DIMS(1, 784), row(w->x, 1, i, 784)), logits, 10);
  w->value = (double)logits[0];
}
static double value(workload *w) { return w->value; }

/* ---- text ---- */
static bool text_setup(workload *w) {
  cn_graph *g = w->g;
  w->m = cn_Sequential(g, "text");
  cn_push(w->m, cn_Embedding(g, 20000, 64));
  cn_push(w->m, cn_GlobalAveragePooling1D(g));
  cn_push(w->m, cn_Dense(g, 64, .activation = "relu"));
  cn_push(w->m, cn_Dense(g, 1));
  cn_model_build(w->m, CN_DIMS(CN_UNKNOWN, 200));
  set_weights(w->m);
  cn_compile(w->m, .optimizer = "adam(1e-3)", .loss = "binary_crossentropy(from_logits=true)");
  const int64_t n = 8 * w->batch * 200;
  w->labels = malloc((size_t)n * sizeof *w->labels);
  for (int64_t i = 0; i < n; i++) w->labels[i] = (int32_t)(hash(1000, (uint32_t)i) % 20000);
  w->y = malloc((size_t)(8 * w->batch) * sizeof *w->y);
  for (int64_t i = 0; i < 8 * w->batch; i++) w->y[i] = (float)(hash(1001, (uint32_t)i) % 2);
  return cn_ok(g);
}
static void text_step(workload *w, int64_t i) {
  cn_graph *g = w->g;
  w->v[7] = cn_train_step(w->m, cn_array(g, CN_I32, CN_DIMS(w->batch, 200), w->labels + i % 8 * w->batch * 200),
                          cn_array(g, CN_F32, CN_DIMS(w->batch, 1), row(w->y, w->batch, i, 1)), NULL);
}

/* ---- skip-gram with negative sampling ---- */
enum { PAIRS = 1024, NEGATIVES = 5, OTHERS = 1 + NEGATIVES /* the context and the negatives */, BATCHES = 64, WIDTH = 128 };

static int64_t word(const workload *w, uint32_t seed, int64_t i) {
  const double u = unit(seed, (uint32_t)i);
  return (int64_t)floor((double)w->size * u * u * u);
}

static bool sgns_setup(workload *w) {
  cn_graph *g = w->g;
  float *table = floats(w, w->size * WIDTH, 1, 0.5 / WIDTH), signs[OTHERS] = { -1 };
  w->v[0] = cn_variable(g, CN_F32, CN_DIMS(w->size, WIDTH), table);
  free(table); /* before the second table is made: the peak counts */
  w->v[1] = cn_variable(g, CN_F32, CN_DIMS(w->size, WIDTH), NULL);
  for (int k = 1; k < OTHERS; k++) signs[k] = 1;
  w->v[2] = cn_persist(cn_array(g, CN_F32, CN_DIMS(OTHERS, 1), signs));
  w->ids[0] = malloc((size_t)(BATCHES * PAIRS) * sizeof(int64_t));
  w->ids[1] = malloc((size_t)(BATCHES * PAIRS * OTHERS) * sizeof(int64_t));
  for (int64_t i = 0; i < BATCHES * PAIRS; i++) {
    w->ids[0][i] = word(w, 1000, i);
    for (int64_t k = 0; k < OTHERS; k++) w->ids[1][i * OTHERS + k] = k ? word(w, 1002, i * NEGATIVES + k - 1) : word(w, 1001, i);
  }
  w->optimizer = cn_optimizer_from(g, !strcmp(w->variant, "sgd") ? "sgd(0.025)" : "adagrad(0.05, initial_accumulator_value=0.1, epsilon=1e-7)");
  return cn_optimizer_build(w->optimizer, w->v, 2);
}
static void sgns_step(workload *w, int64_t i) {
  cn_graph *g = w->g;
  const int64_t b = i % BATCHES;
  cn_tensor *centres = cn_take(g, w->v[0], cn_array(g, CN_I64, CN_DIMS(PAIRS, 1), w->ids[0] + b * PAIRS), .axis = 0);              /* [pairs, 1, width] */
  cn_tensor *others = cn_take(g, w->v[1], cn_array(g, CN_I64, CN_DIMS(PAIRS, OTHERS), w->ids[1] + b * PAIRS * OTHERS), .axis = 0); /* [pairs, others, width] */
  cn_tensor *products = cn_matmul(g, others, centres, .transpose_b = true);                                                         /* [pairs, others, 1] */
  cn_tensor *loss = cn_sum(g, cn_softplus(g, cn_multiply(g, products, w->v[2])));
  w->value = cn_item(loss);
  cn_optimizer_minimize(w->optimizer, loss, true);
  cn_graph_reset(g);
}

/* ---- 20,000 operations on numbers ---- */
static bool scalars_setup(workload *w) {
  const float a = 0.9999f, b = 1e-4f;
  w->v[0] = cn_variable(w->g, CN_F32, CN_SCALAR, &a);
  w->v[1] = cn_variable(w->g, CN_F32, CN_SCALAR, &b);
  return cn_ok(w->g);
}
static void scalars_step(workload *w, int64_t i) {
  cn_graph *g = w->g;
  const float x0 = 0.5f;
  cn_tensor *x = cn_watch(cn_array(g, CN_F32, CN_SCALAR, &x0)), *y = x;
  for (int k = 0; k < 10000; k++) y = cn_add(g, cn_multiply(g, y, w->v[0]), w->v[1]);
  cn_backward(g, y);
  w->value = cn_item(cn_grad(x));
  cn_graph_reset(g);
  (void)i;
}

/* ---- Hessian-vector product ---- */
static bool hvp_setup(workload *w) {
  cn_graph *g = w->g;
  const int64_t sizes[4] = { 784, 512, 512, 10 };
  for (int k = 0; k < 3; k++) {
    float *v = floats(w, sizes[k] * sizes[k + 1], (uint32_t)(k + 1), sqrt(6.0 / (double)(sizes[k] + sizes[k + 1])));
    w->v[2 * k] = cn_variable(g, CN_F32, CN_DIMS(sizes[k], sizes[k + 1]), v);
    w->v[2 * k + 1] = cn_variable(g, CN_F32, CN_DIMS(sizes[k + 1]), NULL);
    free(v);
  }
  w->size = 784;
  w->x = floats(w, 8 * w->batch * 784, 1000, 1);
  labels_of(w, 10);
  for (int k = 0; k < 6; k++) {
    const cn_dims d = cn_dims_of(w->v[k]);
    float *v = floats(w, cn_count(w->v[k]), (uint32_t)(50 + k), 1);
    w->directions[k] = cn_persist(cn_array(g, CN_F32, &d, v));
    free(v);
  }
  return cn_ok(g);
}
static void hvp_step(workload *w, int64_t i) {
  cn_graph *g = w->g;
  cn_tensor *h = cn_array(g, CN_F32, CN_DIMS(w->batch, 784), row(w->x, w->batch, i, 784)), *hv[6];
  for (int k = 0; k < 3; k++) h = cn_linear(g, h, w->v[2 * k], w->v[2 * k + 1], .activation = k < 2);
  cn_tensor *loss =
      cn_mean(g, cn_sparse_categorical_crossentropy(g, cn_array(g, CN_I32, CN_DIMS(w->batch), w->labels + i % 8 * w->batch), h, .from_logits = true));
  cn_hvp(g, loss, w->v, w->directions, 6, hv);
  double dot = 0;
  if (i < 4)
    for (int k = 0; k < 6; k++) dot += cn_item(cn_sum(g, cn_multiply(g, hv[k], w->directions[k])));
  w->value = dot;
  cn_graph_reset(g);
}

/* ---- layer normalization and gelu ---- */
enum { NORM_WIDTH = 1024, NORM_LAYERS = 10 };
static bool norm_setup(workload *w) {
  cn_graph *g = w->g;
  float ones[NORM_WIDTH];
  for (int i = 0; i < NORM_WIDTH; i++) ones[i] = 1;
  for (int k = 0; k < NORM_LAYERS; k++) {
    w->parameters[2 * k] = cn_variable(g, CN_F32, CN_DIMS(NORM_WIDTH), ones);
    w->parameters[2 * k + 1] = cn_variable(g, CN_F32, CN_DIMS(NORM_WIDTH), NULL);
  }
  w->x = floats(w, 8 * w->batch * NORM_WIDTH, 1000, 1);
  w->optimizer = cn_optimizer_from(g, "sgd(0.01)");
  return cn_optimizer_build(w->optimizer, w->parameters, 2 * NORM_LAYERS);
}
static void norm_step(workload *w, int64_t i) {
  cn_graph *g = w->g;
  cn_tensor *h = cn_array(g, CN_F32, CN_DIMS(w->batch, NORM_WIDTH), row(w->x, w->batch, i, NORM_WIDTH));
  for (int k = 0; k < NORM_LAYERS; k++)
    h = cn_gelu(g, cn_layer_normalization(g, h, w->parameters[2 * k], w->parameters[2 * k + 1], .epsilon = 1e-5), .approximate = false);
  cn_tensor *loss = cn_mean(g, cn_square(g, h));
  if (i < 4) w->value = cn_item(loss);
  cn_optimizer_minimize(w->optimizer, loss, true);
  cn_graph_reset(g);
}

/* ---- the main job ---- */
static cn_dataset *read_part(cn_graph *g, const char *part) {
  const char *directory = getenv("FMNIST_DIR") ? getenv("FMNIST_DIR") : "/usr/share/datasets/fashion-mnist";
  char images[512], labels[512];
  snprintf(images, sizeof images, "%s/%s-images-idx3-ubyte.gz", directory, part);
  snprintf(labels, sizeof labels, "%s/%s-labels-idx1-ubyte.gz", directory, part);
  const cn_arrays *x = cn_read_idx(g, images), *y = cn_read_idx(g, labels);
  return x && y ? cn_dataset_from_arrays(g, x->v->dtype, &x->v->dims, x->v->data, y->v->dtype, &y->v->dims, y->v->data) : NULL;
}
static void main_job(workload *w, int64_t i) {
  cn_graph *g = w->g;
  double result[2] = { 0, 0 };
  cn_model *m = cn_Sequential(g, "mlp");
  cn_push(m, cn_Rescaling(g, 1 / 255.0));
  cn_push(m, cn_Flatten(g));
  cn_push(m, cn_Dense(g, 256, .activation = "relu"));
  cn_push(m, cn_Dense(g, 10));
  cn_compile(m, .optimizer = "adam(1e-3)", .loss = "sparse_categorical_crossentropy(from_logits=true)", .metrics = "accuracy");
  cn_fit(m, read_part(g, "train"), .epochs = 3, .batch_size = 128, .verbose = 0);
  cn_evaluate(m, read_part(g, "t10k"), 1000, result, 2);
  w->accuracy = result[1];
  (void)i;
}

#define CLASSIFIER(name_, batch_, size_, ...) { .name = name_, .setup = classifier_setup, .step = classifier_step, .loss = step_loss, .batch = batch_, .size = size_, __VA_ARGS__ }
#define SGNS(name_, size_, variant_) { .name = name_, .setup = sgns_setup, .step = sgns_step, .loss = value, .size = size_, .variant = variant_ }
workload workloads[] = {
  { .name = "mlp_tiny_b1", .setup = tiny_setup, .step = tiny_step, .loss = step_loss, .batch = 1 },
  { .name = "mlp_tiny_b32", .setup = tiny_setup, .step = tiny_step, .loss = step_loss, .batch = 32 },
  CLASSIFIER("mlp_784_b1", 1, 784, ),
  CLASSIFIER("mlp_784_b32", 32, 784, ),
  CLASSIFIER("mlp_784_b128", 128, 784, ),
  CLASSIFIER("mlp_784_b1024", 1024, 784, ),
  CLASSIFIER("mlp_wide", 256, 2048, ),
  CLASSIFIER("startup", 32, 784, .whole_job = true),
  SGNS("sgns_100k_sgd", 100000, "sgd"),
  SGNS("sgns_1m_sgd", 1000000, "sgd"),
  SGNS("sgns_100k_adagrad", 100000, "adagrad"),
  SGNS("sgns_1m_adagrad", 1000000, "adagrad"),
  { .name = "text_cls", .setup = text_setup, .step = text_step, .loss = step_loss, .batch = 64 },
  { .name = "infer_mlp_b1", .setup = infer_setup, .step = infer_step, .loss = value },
  { .name = "graph_overhead", .setup = scalars_setup, .step = scalars_step, .loss = value },
  { .name = "hvp_mlp", .setup = hvp_setup, .step = hvp_step, .loss = value, .batch = 128 },
  { .name = "ln_gelu", .setup = norm_setup, .step = norm_step, .loss = value, .batch = 256 },
  { .name = "fmnist_main", .step = main_job, .whole_job = true },
  { .name = NULL },
};
