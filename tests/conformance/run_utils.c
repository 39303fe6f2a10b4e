/* Kind util: functions of keras.utils on data. */
#include <stdlib.h>
#include "../../models/utilities.h"
#include "runner.h"

static int64_t integer(const json_t *args, const char *key, int64_t otherwise) {
  const json_t *v = json_object_get(args, key);
  return json_is_integer(v) ? json_integer_value(v) : json_is_null(v) && v ? CN_NONE : otherwise;
}

static bool known_arguments(run *r, const json_t *args, const char *names) {
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)args, key, v) {
    const size_t n = strlen(key);
    const char *at = names;
    while ((at = strstr(at, key)) && !(at[n] == ' ' || at[n] == '\0')) at += n;
    if (!at) return unsupported(r, "argument %s", key);
  }
  return true;
}

/* Nested lists of numbers: every list of one depth has the same length but the outermost. */
static cn_tensor *sequence_from(run *r, const json_t *v) {
  cn_dims dims = { 0, { 0 } };
  int64_t n = 0;
  for (const json_t *at = v; json_is_array(at) && dims.rank < CN_MAX_RANK; at = json_array_get(at, 0)) dims.d[dims.rank++] = (int64_t)json_array_size(at);
  const int64_t count = cn_dims_count(&dims);
  double *x = calloc((size_t)count + 1, sizeof *x);
  for (int64_t i = 0; i < count; i++) {
    const json_t *at = v;
    int64_t rest = i, size = count;
    for (int k = 0; k < dims.rank; k++) {
      size /= dims.d[k];
      at = json_array_get(at, (size_t)(rest / size));
      rest %= size;
    }
    x[n++] = number_of(at);
  }
  cn_tensor *t = cn_array_from_doubles(r->g, CN_F64, &dims, x);
  free(x);
  return t;
}

static cn_tensor *pad(run *r, const json_t *args) {
  const json_t *list = json_object_get(r->c, "sequences"), *value = json_object_get(args, "value");
  const size_t n = json_array_size(list);
  cn_tensor **v = calloc(n + 1, sizeof(cn_tensor *)), *y = NULL;
  const char *dtype = text_of(args, "dtype"), *padding = text_of(args, "padding"), *truncating = text_of(args, "truncating");
  for (size_t i = 0; i < n; i++) v[i] = sequence_from(r, json_array_get(list, i));
  if (known_arguments(r, args, "maxlen dtype padding truncating value"))
    y = cn_pad_sequences(r->g, (cn_tensors){ v, (int64_t)n }, .maxlen = integer(args, "maxlen", CN_NONE), .dtype = *dtype ? dtype : "int32",
                         .padding = *padding ? padding : "pre", .truncating = *truncating ? truncating : "pre", .value = value ? number_of(value) : 0);
  free(v);
  return y;
}

static void series(run *r, const json_t *args) {
  const json_t *targets = json_object_get(r->c, "targets"), *batches = json_object_get(r->c, "batches"), *want;
  size_t i;
  cn_batch b;
  if (!known_arguments(r, args, "sequence_length sequence_stride sampling_rate batch_size start_index end_index")) return;
  cn_tensor *x = tensor_from(r, json_array_get(json_object_get(r->c, "inputs"), 0)),
            *y = targets && !json_is_null(targets) ? tensor_from(r, targets) : CN_NO_TENSOR;
  cn_dataset *d =
      cn_timeseries_dataset_from_array(r->g, x, y, integer(args, "sequence_length", CN_REQUIRED), .sequence_stride = integer(args, "sequence_stride", 1),
                                       .sampling_rate = integer(args, "sampling_rate", 1), .batch_size = integer(args, "batch_size", 128),
                                       .start_index = integer(args, "start_index", CN_NONE), .end_index = integer(args, "end_index", CN_NONE));
  if (!d) {
    library_failed(r, "timeseries_dataset_from_array");
    return;
  }
  json_array_foreach(batches, i, want) {
    if (!cn_dataset_next(d, 1, &b)) {
      library_failed(r, "a batch");
      return;
    }
    if (integer(args, "batch_size", 128) == CN_NONE) { /* single windows */
      b.x = cn_squeeze(r->g, b.x, CN_INTS(0));
      b.y = b.y ? cn_squeeze(r->g, b.y, CN_INTS(0)) : NULL;
    }
    same(r, "x", b.x, json_array_get(want, 0));
    if (json_array_size(want) > 1 && !b.y) fail(r, "y is missing");
    else if (json_array_size(want) > 1) same(r, "y", b.y, json_array_get(want, 1));
    else if (b.y) fail(r, "y is there");
  }
  if (cn_dataset_next(d, 1, &b)) fail(r, "more than %zu batches", json_array_size(batches));
  else if (!cn_ok(r->g)) library_failed(r, "the end");
}

void run_util(run *r) {
  const json_t *args = json_object_get(r->c, "args"), *order = json_object_get(args, "order");
  const char *function = text_of(r->c, "function");
  if (!strcmp(function, "timeseries_dataset_from_array")) {
    series(r, args);
    return;
  }
  cn_tensor *y = NULL, *x = strcmp(function, "pad_sequences") ? tensor_from(r, json_array_get(json_object_get(r->c, "inputs"), 0)) : NULL;
  if (!strcmp(function, "pad_sequences")) y = pad(r, args);
  else if (!strcmp(function, "to_categorical") && known_arguments(r, args, "num_classes"))
    y = cn_to_categorical(r->g, x, .num_classes = integer(args, "num_classes", CN_NONE));
  else if (!strcmp(function, "normalize") && known_arguments(r, args, "axis order"))
    y = cn_utils_normalize(r->g, x, .axis = integer(args, "axis", -1), .order = order ? number_of(order) : 2);
  else unsupported(r, "function %s", function);
  if (r->out->status == UNSUPPORTED) return;
  if (!y) library_failed(r, function);
  else same(r, function, y, json_array_get(json_object_get(r->c, "outputs"), 0));
}
