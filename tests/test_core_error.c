/* Types, errors, scopes, output and nearest names. */
#include <stdio.h>
#include "test_core.h"

Test(types, dtypes) {
  static const struct {
    cn_dtype dtype;
    const char *name;
    size_t size;
  } rows[] = { { CN_F32, "float32", 4 }, { CN_F64, "float64", 8 }, { CN_I32, "int32", 4 },    { CN_I64, "int64", 8 },
               { CN_U8, "uint8", 1 },    { CN_BOOL, "bool", 1 },   { CN_STRING, "string", 0 } };
  for (int i = 0; i < CN_DTYPES; i++) {
    cn_dtype dtype = CN_F32;
    CHECK_TEXT(cn_dtype_name(rows[i].dtype), rows[i].name);
    cr_assert_eq(cn_dtype_size(rows[i].dtype), rows[i].size);
    cr_assert(cn_dtype_from_name(rows[i].name, &dtype) && dtype == rows[i].dtype);
  }
  cn_dtype dtype = CN_U8;
  cr_assert_not(cn_dtype_from_name("float", &dtype));
  cr_assert_not(cn_dtype_from_name(NULL, &dtype));
  cr_assert_eq(dtype, CN_U8);
  CHECK_TEXT(cn_dtype_name((cn_dtype)77), "unknown");
  cr_assert_eq(cn_dtype_size((cn_dtype)77), 0);
  CHECK_TEXT(cn_version(), "0.1.0");
}

Test(types, shapes) {
  char text[200];
  cr_assert_eq(cn_dims_count(CN_SCALAR), 1);
  cr_assert_eq(cn_dims_count(CN_DIMS(3, 4, 5)), 60);
  cr_assert_eq(cn_dims_count(CN_DIMS(3, 0, 5)), 0);
  cr_assert_eq(cn_dims_count(CN_DIMS(3, CN_UNKNOWN)), -1);
  cr_assert_eq(cn_dims_count(CN_DIMS(INT64_MAX / 16)), INT64_MAX / 16);
  cr_assert_eq(cn_dims_count(CN_DIMS(INT64_MAX / 16, 2)), -1);
  cr_assert_eq(cn_dims_count(CN_DIMS(0, INT64_MAX / 16, 2)), -1);
  cr_assert(cn_dims_equal(CN_DIMS(1, 2), CN_DIMS(1, 2)));
  cr_assert_not(cn_dims_equal(CN_DIMS(1, 2), CN_DIMS(1, 3)));
  cr_assert_not(cn_dims_equal(CN_DIMS(1, 2), CN_DIMS(1)));
  CHECK_TEXT(cn_dims_text(CN_DIMS(32, 784), text, sizeof text), "[32,784]");
  CHECK_TEXT(cn_dims_text(CN_DIMS(CN_UNKNOWN, 7), text, sizeof text), "[?,7]");
  CHECK_TEXT(cn_dims_text(CN_SCALAR, text, sizeof text), "[]");
  CHECK_TEXT(cn_dims_text(CN_DIMS(INT64_MAX, INT64_MAX), text, 6), "[9223");
  CHECK_TEXT(cn_dims_text(CN_DIMS(INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN), text, 8), "[-92233");
}

typedef struct seen { int calls; cn_code code; char text[CNI_ERROR_SIZE]; } seen;

static void see(void *user, cn_code code, const char *text) {
  seen *s = user;
  s->calls++;
  s->code = code;
  snprintf(s->text, sizeof s->text, "%s", text);
}

Test(error, first_one_sticks_and_is_seen) {
  cn_graph g;
  counting n;
  seen s = { .calls = 0 };
  graph_begin(&g, &n);
  cn_set_error_callback(&g, see, &s);
  cr_assert(cn_ok(&g));
  CHECK_TEXT(cn_error(&g), "");
  cr_assert_eq(cn_error_code(&g), CN_OK);
  cr_assert_eq(cn_fail(&g, CN_SHAPE, "inner sizes differ: %s x %s", "[4,3]", "[5,7]"), CN_SHAPE);
  cr_assert_eq(cn_fail(&g, CN_IO, "another"), CN_IO);
  cr_assert_not(cn_ok(&g));
  CHECK_TEXT(cn_error(&g), "inner sizes differ: [4,3] x [5,7]");
  cr_assert_eq(cn_error_code(&g), CN_SHAPE);
  cr_assert(s.calls == 1 && s.code == CN_SHAPE);
  CHECK_TEXT(s.text, cn_error(&g));
  cni_error_clear(&g);
  cr_assert(cn_ok(&g));
  CHECK_TEXT(cn_error(&g), "");
  graph_end(&g, &n);
}

Test(error, where_and_scope) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  const size_t outer = cni_scope_push(&g, "mlp"), inner = cni_scope_push(&g, "dense_2");
  g.c.where = "matmul";
  cn_fail(&g, CN_SHAPE, "inner sizes differ");
  CHECK_TEXT(cn_error(&g), "matmul: inner sizes differ (in mlp/dense_2)");
  cni_scope_pop(&g, inner);
  CHECK_TEXT(g.c.scope, "/mlp");
  cni_scope_pop(&g, outer);
  CHECK_TEXT(g.c.scope, "");
  cni_error_clear(&g);
  cr_assert_null(g.c.where);
  graph_end(&g, &n);
}

Test(error, long_texts_are_cut) {
  cn_graph g;
  counting n;
  char name[600];
  graph_begin(&g, &n);
  memset(name, 'x', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  const size_t mark = cni_scope_push(&g, name), second = cni_scope_push(&g, name);
  cr_assert_eq(strlen(g.c.scope), CNI_SCOPE_SIZE - 1);
  cn_fail(&g, CN_VALUE, "%s", name);
  cr_assert_eq(strlen(cn_error(&g)), CNI_ERROR_SIZE - 1);
  cni_scope_pop(&g, second);
  cni_scope_pop(&g, mark);
  CHECK_TEXT(g.c.scope, "");
  graph_end(&g, &n);
}

Test(error, null_graph) {
  cr_assert_not(cn_ok(NULL));
  CHECK_TEXT(cn_error(NULL), "out of memory");
  cr_assert_eq(cn_error_code(NULL), CN_NO_MEMORY);
  cr_assert_eq(cn_fail(NULL, CN_VALUE, "text"), CN_VALUE);
  cn_set_error_callback(NULL, NULL, NULL);
  cn_set_output_callback(NULL, NULL, NULL);
}

Test(error, code_names) {
  static const char *const names[] = { "OK", "NO_MEMORY", "SHAPE", "DTYPE", "VALUE", "INDEX", "STATE", "IO", "FORMAT", "UNSUPPORTED" };
  for (int i = 0; i < 10; i++) CHECK_TEXT(cn_code_name((cn_code)i), names[i]);
  CHECK_TEXT(cn_code_name((cn_code)10), "unknown");
}

static void collect(void *user, const char *text) { strcat(user, text); }

Test(error, output) {
  cn_graph g;
  counting n;
  char text[4096] = "", wide[2001];
  graph_begin(&g, &n);
  cn_set_output_callback(&g, collect, text);
  cni_print(&g, "epoch %d\n", 3);
  CHECK_TEXT(text, "epoch 3\n");
  text[0] = '\0';
  memset(wide, 'w', 2000);
  wide[2000] = '\0';
  cni_print(&g, "%s", wide);
  CHECK_TEXT(text, wide);
  cr_assert_eq(n.live, 0);
  graph_end(&g, &n);
}

Test(error, nearest) {
  static const char *const names[] = { "units", "activation", "use_bias", "relu", "Dense", "dense" };
  static const char *const rows[][2] = {
    { "activaton", "activation" }, { "unit", "units" },       { "untis", "units" }, { "rellu", "relu" }, { "Relu", "relu" }, { "Dence", "Dense" },
    { "dence", "dense" },          { "usebias", "use_bias" }, { "xyzzy", NULL },    { "", NULL },        { "kernel", NULL }
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const char *nearest = cni_nearest(rows[i][0], names, 6);
    if (rows[i][1]) cr_assert(nearest && strcmp(nearest, rows[i][1]) == 0, "%s: %s", rows[i][0], nearest ? nearest : "none");
    else cr_assert_null(nearest, "%s: %s", rows[i][0], nearest);
  }
  char wide[300];
  memset(wide, 'a', sizeof wide - 1);
  wide[sizeof wide - 1] = '\0';
  cr_assert_null(cni_nearest(wide, names, 6));
}
