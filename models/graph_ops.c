/* Bare operations in functional models, from and to Keras' entries {"module": "keras.src.ops.numpy", "class_name": "Multiply", "config": options,
 * "inbound_nodes": [{args, kwargs}]}. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include "config_private.h"

/* ---- names ---- */
/* Keras' class where it is not the operation's name in another spelling; of the second list, which is only read, one of several classes. */
typedef struct spelling { const char *class_name, *op; } spelling;
static const spelling classes[] = {
  { "Absolute", "abs" }, { "BatchNorm", "batch_normalization" }, { "CDist", "cdist" }, { "CTCDecode", "ctc_decode" }, { "CTCLoss", "ctc_loss" },
  { "Copy", "identity" }, { "ExtractPatches3D", "extract_patches_3d" }, { "FFT", "fft" }, { "FFT2", "fft2" }, { "HSVToRGB", "hsv_to_rgb" },
  { "IFFT2", "ifft2" }, { "IRFFT", "irfft" }, { "ISTFT", "istft" }, { "IsIn", "isin" }, { "LayerNorm", "layer_normalization" }, { "PSNR", "psnr" },
  { "RFFT", "rfft" }, { "RGBToGrayscale", "rgb_to_grayscale" }, { "RGBToHSV", "rgb_to_hsv" }, { "RMSNorm", "rms_normalization" }, { "SSIM", "ssim" },
  { "STFT", "stft" }, { "SVD", "svd" }, { "SearchSorted", "searchsorted" }
};
static const spelling others[] = {
  { "Amax", "max" }, { "Amin", "min" }, { "BitwiseInvert", "bitwise_not" }, { "BitwiseLeftShift", "left_shift" },
  { "BitwiseRightShift", "right_shift" }, { "TrueDivide", "divide" }
};
#define COUNT(list) (sizeof list / sizeof *list)
/* Modules other than numpy. */
static const char *const in_nn[] = {
  "adaptive_average_pool", "adaptive_max_pool", "average_pool", "batch_normalization", "binary_crossentropy", "categorical_crossentropy", "celu",
  "conv", "conv_transpose", "ctc_decode", "ctc_loss", "depth_to_space", "depthwise_conv", "dot_product_attention", "elu", "fold", "gelu", "glu",
  "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "layer_normalization", "leaky_relu", "log_sigmoid", "log_softmax", "max_pool", "moments",
  "multi_hot", "normalize", "one_hot", "polar", "psnr", "relu", "relu6", "rms_normalization", "selu", "separable_conv", "sigmoid", "silu",
  "soft_shrink", "softmax", "softplus", "softsign", "space_to_depth", "sparse_categorical_crossentropy", "sparse_plus", "sparse_sigmoid", "sparsemax",
  "squareplus", "tanh_shrink", "threshold", "unfold"
};
static const char *const in_core[] = {
  "cast", "saturate_cast", "scatter", "scatter_update", "slice", "slice_update", "stop_gradient", "unstack"
};
static const char *const in_math[] = {
  "cdist", "erf", "erfc", "erfinv", "extract_sequences", "fft", "fft2", "ifft2", "in_top_k", "irfft", "istft", "logdet", "logsumexp", "rfft", "rsqrt",
  "segment_max", "segment_min", "segment_prod", "segment_sum", "stft", "top_k"
};
static const char *const in_linalg[] = {
  "cholesky", "cholesky_inverse", "det", "eigh", "inv", "lstsq", "lu_factor", "matrix_rank", "norm", "pinv", "qr", "solve", "solve_triangular", "svd"
};
static const char *const in_image[] = {
  "affine_transform", "crop_images", "elastic_transform", "extract_patches", "extract_patches_3d", "gaussian_blur", "hsv_to_rgb", "map_coordinates",
  "pad_images", "perspective_transform", "resize", "rgb_to_grayscale", "rgb_to_hsv", "scale_and_translate", "sobel_edges", "ssim"
};

static bool among(const char *name, const char *const *list, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!strcmp(name, list[i])) return true;
  return false;
}
#define AMONG(name, list) among(name, list, COUNT(list))

static const char *module_of(const char *op) {
  if (AMONG(op, in_nn)) return "keras.src.ops.nn";
  if (AMONG(op, in_core)) return "keras.src.ops.core";
  if (AMONG(op, in_math)) return "keras.src.ops.math";
  if (AMONG(op, in_image)) return "keras.src.ops.image";
  return AMONG(op, in_linalg) ? "keras.src.ops.linalg" : "keras.src.ops.numpy";
}

static const char *op_of(const char *class_name, const spelling *list, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!strcmp(class_name, list[i].class_name)) return list[i].op;
  return NULL;
}

const cn_op *cni_graph_op(const char *class_name) {
  char snake[128];
  const char *name = op_of(class_name, classes, COUNT(classes));
  if (!name) name = op_of(class_name, others, COUNT(others));
  if (!name) cni_snake_case(class_name, snake, sizeof snake), name = snake;
  return cn_op_find(name);
}

/* "expand_dims" -> "ExpandDims" */
void cni_graph_class_name(const cn_node *node, char *text, size_t size) {
  const char *op = node->op->name, *given = node->symbol->class_name;
  size_t n = 0;
  for (size_t i = 0; !given && i < COUNT(classes); i++)
    if (!strcmp(op, classes[i].op)) given = classes[i].class_name;
  if (given) {
    snprintf(text, size, "%s", given);
    return;
  }
  for (bool up = true; *op && n + 1 < size; op++) {
    if (*op != '_') text[n++] = up ? (char)toupper((unsigned char)*op) : *op;
    up = *op == '_';
  }
  text[n] = 0;
}

bool cni_is_graph_op(const json_t *entry) {
  const char *module = json_string_value(json_object_get(entry, "module"));
  return module && (!strncmp(module, "keras.src.ops", 13) || !strncmp(module, "keras.ops", 9) || !strncmp(module, "cornu.ops", 9));
}

/* ---- reading ---- */
typedef struct reading { cn_graph *g; const cni_places *places; const cn_op *op; void *args; json_t *options; cn_dtype dtype; bool typed; } reading;

/* The tensor that a number among the places stands for. */
static cn_tensor *placed(const reading *r, const json_t *v) {
  const char *name = json_string_value(json_object_get(v, "class_name"));
  const json_t *at = json_object_get(v, "config");
  if (!name || strcmp(name, "__place__") || !json_is_integer(at)) return NULL;
  const json_int_t i = json_integer_value(at);
  return i >= 0 && i < r->places->n ? r->places->v[i] : NULL;
}

static double scalar_of(const json_t *v) { return json_is_boolean(v) ? json_is_true(v) : json_number_value(v); }

static int64_t fill_list(const json_t *v, cn_dims *dims, int depth, cn_tensor *t, int64_t at) {
  if (!json_is_array(v)) return t ? cni_value_set(t, at, scalar_of(v)) : (void)0, at + 1;
  if (!t && depth < CN_MAX_RANK) dims->d[depth] = (int64_t)json_array_size(v), dims->rank = depth + 1 > dims->rank ? depth + 1 : dims->rank;
  for (size_t i = 0; i < json_array_size(v) && depth < CN_MAX_RANK; i++) at = fill_list(json_array_get(v, i), dims, depth + 1, t, at);
  return at;
}

cn_tensor *cni_constant_from(cn_graph *g, const json_t *v, cn_dtype dtype) {
  const json_t *config = json_object_get(v, "config"), *value = json_is_object(v) ? json_object_get(config, "value") : v;
  const char *name = json_string_value(json_object_get(config, "dtype"));
  cn_dims dims = { 0, { 0 } };
  if (json_is_object(v) && (!name || !cn_dtype_from_name(name, &dtype)))
    return cn_fail(g, CN_FORMAT, "a constant of the graph has no dtype that is known"), NULL;
  const int64_t n = fill_list(value, &dims, 0, NULL, 0);
  if (n != cn_dims_count(&dims)) return cn_fail(g, CN_FORMAT, "a constant of the graph is no array"), NULL;
  cn_tensor *t = cn_full(g, dtype, &dims, 0);
  if (t) fill_list(value, &dims, 0, t, 0);
  return t;
}

/* The dtype that plain numbers take: that of the tensors beside them. */
static void look_for_dtype(reading *r, const json_t *v) {
  const cn_tensor *t = placed(r, v);
  if (t && (!r->typed || cni_is_float((cn_dtype)t->dtype))) r->dtype = (cn_dtype)t->dtype, r->typed = true;
  for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++) look_for_dtype(r, json_array_get(v, i));
}

/* Operands whose plain numbers are whole ones, whatever stands beside them. */
static bool counts(const char *name) { return !strcmp(name, "indices") || !strcmp(name, "segment_ids") || !strcmp(name, "start_indices"); }

static cn_tensor *tensor_from(reading *r, const char *name, const json_t *v) {
  cn_tensor *t = placed(r, v);
  if (t) return t;
  if (counts(name)) return cni_constant_from(r->g, v, CN_I32);
  const bool real = json_is_real(v) && json_real_value(v) != nearbyint(json_real_value(v));
  return cni_constant_from(r->g, v, real && !cni_is_float(r->dtype) ? CN_F32 : r->dtype);
}

static bool read_list(reading *r, const json_t *v, cn_tensors *list) {
  const size_t n = json_array_size(v);
  cn_tensor **x = cni_arena_take(r->g, cni_step_arena(r->g), (n + 1) * sizeof *x);
  if (!x) return false;
  for (size_t i = 0; i < n; i++)
    if (!(x[i] = tensor_from(r, "", json_array_get(v, i)))) return false;
  *list = (cn_tensors){ x, (int64_t)n };
  return true;
}

/* An entry of get_item's key: an int, null (newaxis), __slice__ or __ellipsis__, as the text that the operation takes. */
static json_t *key_text(const json_t *v) {
  const char *name = json_string_value(json_object_get(v, "class_name"));
  const json_t *config = json_object_get(v, "config");
  static const char *const bounds[] = { "start", "stop", "step" };
  char text[96] = "", part[32];
  if (json_is_integer(v)) snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
  else if (!name) snprintf(text, sizeof text, "newaxis");
  else if (!strcmp(name, "__ellipsis__")) snprintf(text, sizeof text, "...");
  if (*text) return json_string(text);
  for (int i = 0; i < 3; i++) {
    const json_t *b = json_object_get(config, bounds[i]);
    snprintf(part, sizeof part, json_is_integer(b) ? "%s%lld" : "%s", i ? ":" : "", (long long)json_integer_value(b));
    if (i < 2 || json_is_integer(b)) strcat(text, part);
  }
  return json_string(text);
}

static bool take_value(reading *r, int row, const json_t *v) {
  const cn_schema *s = &r->op->schema;
  if (row < 0 || row >= s->count) return cn_fail(r->g, CN_FORMAT, "%s: the graph gives it more arguments than it has", r->op->name), false;
  void *at = cni_option_at(s, r->args, row);
  if (s->rows[row].kind == CN_OPTION_TENSORS) return read_list(r, v, at);
  if (s->rows[row].kind == CN_OPTION_TENSOR) return json_is_null(v) || (*(cn_tensor **)at = tensor_from(r, s->rows[row].name, v)) != NULL;
  if (s->rows[row].kind == CN_OPTION_STRINGS && !strcmp(s->rows[row].name, "key")) {
    json_t *texts = json_array();
    for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++) json_array_append_new(texts, key_text(json_array_get(v, i)));
    if (!json_is_array(v)) json_array_append_new(texts, key_text(v));
    return json_object_set_new(r->options, s->rows[row].name, texts) == 0;
  }
  return json_object_set(r->options, s->rows[row].name, (json_t *)(uintptr_t)v) == 0;
}

/* Keras' names of the operands. */
static int row_of(const cn_op *op, const char *name) {
  static const char *const operands[] = { "x1", "x2", "x3" };
  const int row = cni_option_find(&op->schema, name);
  for (int i = 0; row < 0 && i < 3; i++)
    if (!strcmp(name, operands[i])) return i;
  if (row < 0 && !strcmp(name, "y")) return 1;
  return row < 0 && (!strcmp(name, "x") || !strcmp(name, "xs") || !strcmp(name, "inputs") || !strcmp(name, "variable")) ? 0 : row;
}

/* What Keras' operation has and ours has not is passed over as long as it asks for nothing: sparse=false, dtype=None. */
static bool asks(const reading *r, const char *key, const json_t *v) {
  return strcmp(key, "name") && (cni_option_find(&r->op->schema, key) >= 0 || !(json_is_null(v) || json_is_false(v)));
}

static bool read_arguments(reading *r, const json_t *config, const json_t *args, const json_t *kwargs) {
  const char *key;
  json_t *v;
  size_t i;
  json_array_foreach(args, i, v) look_for_dtype(r, v);
  json_object_foreach((json_t *)(uintptr_t)kwargs, key, v) look_for_dtype(r, v);
  json_object_foreach((json_t *)(uintptr_t)config, key, v)
    if (asks(r, key, v) && json_object_set(r->options, key, v)) return false;
  json_array_foreach(args, i, v) if (!take_value(r, (int)i, v)) return false;
  json_object_foreach((json_t *)(uintptr_t)kwargs, key, v)
    if (!json_is_null(v) && !take_value(r, row_of(r->op, key), v)) return false;
  return true;
}

cn_tensor *const *cni_graph_op_call(cn_graph *g, const cni_places *places, const json_t *entry, const json_t *args, const json_t *kwargs) {
  const char *class_name = json_string_value(json_object_get(entry, "class_name"));
  reading r = { .g = g, .places = places, .op = cni_graph_op(class_name ? class_name : ""), .dtype = CN_F32 };
  if (!r.op) return cn_fail(g, CN_VALUE, "unknown operation \"%s\"", class_name ? class_name : ""), cni_nulls;
  r.args = cni_arena_take(g, cni_step_arena(g), r.op->schema.size);
  r.options = json_object();
  if (!r.args || !r.options) return json_decref(r.options), cni_nulls;
  memcpy(r.args, r.op->schema.defaults, r.op->schema.size);
  const bool read = read_arguments(&r, json_object_get(entry, "config"), args, kwargs) &&
                    cni_options_from_json(g, &r.op->schema, r.args, r.options, NULL, NULL, cni_take_arena, cni_step_arena(g));
  json_decref(r.options);
  if (!read) return cni_nulls;
  g->naming = json_string_value(json_object_get(entry, "name"));
  cn_tensor *const *y = cn_apply(g, r.op, r.args);
  g->naming = NULL;
  if (y[0] && y[0]->node && (y[0]->flags & CNI_SYMBOLIC)) y[0]->node->symbol->class_name = cni_strdup(g, class_name);
  return y;
}

/* ---- writing ---- */
static json_t *values_json(const cn_tensor *t, int axis, int64_t *at) {
  if (axis == t->dims.rank) {
    const double v = cni_value_at(t, (*at)++);
    if (t->dtype == CN_BOOL) return json_boolean(v != 0);
    return cni_is_float((cn_dtype)t->dtype) ? json_real(v) : json_integer((json_int_t)v);
  }
  json_t *list = json_array();
  for (int64_t i = 0; i < t->dims.d[axis]; i++) json_array_append_new(list, values_json(t, axis + 1, at));
  return list;
}

json_t *cni_constant_json(const cn_tensor *t) {
  int64_t at = 0;
  json_t *value = values_json(t, 0, &at);
  return t->dims.rank ? json_pack("{s:s, s:{s:o, s:s}}", "class_name", "__tensor__", "config", "value", value, "dtype", cn_dtype_name((cn_dtype)t->dtype))
                      : value;
}

typedef struct writing { json_t *(*tensor)(void *user, const cn_tensor *t); void *user; } writing;

static json_t *operand(const writing *w, const cn_tensor *t) {
  if (!t || !cni_given(t)) return json_null();
  return t->flags & CNI_SYMBOLIC ? w->tensor(w->user, t) : cni_constant_json(t);
}

static json_t *operands(const writing *w, const cn_schema *s, const void *args) {
  json_t *list = json_array();
  for (int i = 0; i < s->count; i++) {
    const void *at = cni_option_at_const(s, args, i);
    if (s->rows[i].kind == CN_OPTION_TENSOR) json_array_append_new(list, operand(w, *(cn_tensor *const *)at));
    const cn_tensors *xs = s->rows[i].kind == CN_OPTION_TENSORS ? at : NULL;
    json_t *inner = xs ? json_array() : NULL;
    for (int64_t k = 0; xs && k < xs->n; k++) json_array_append_new(inner, operand(w, xs->v[k]));
    if (xs) json_array_append_new(list, inner);
  }
  return list;
}

json_t *cni_graph_op_json(cn_graph *g, const cni_stage *s, const char *name, json_t *(*tensor)(void *user, const cn_tensor *t), void *user) {
  const cn_op *op = s->node->op;
  const writing w = { tensor, user };
  char class_name[128];
  if (s->measures_count) return cn_fail(g, CN_UNSUPPORTED, "%s: an unknown size among its arguments has no form in a config", name), NULL;
  cni_graph_class_name(s->node, class_name, sizeof class_name);
  json_t *config = cni_options_to_json(g, &op->schema, s->node->args);
  if (!config) return NULL;
  json_object_set_new(config, "name", json_string(name));
  return json_pack("{s:s, s:s, s:o, s:s, s:s, s:[{s:o, s:{}}]}", "module", cn_op_find(op->name) ? module_of(op->name) : "cornu.ops", "class_name", class_name,
                   "config", config, "registered_name", class_name, "name", name, "inbound_nodes", "args", operands(&w, &op->schema, s->node->args), "kwargs");
}
