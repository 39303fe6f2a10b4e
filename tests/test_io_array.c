/* Lists of named arrays. */
#include "test_io.h"

Test(io_array, add_find_free) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  cn_arrays *a = cn_arrays_new(&g);
  for (int i = 0; i < 20; i++) {
    char name[16];
    snprintf(name, sizeof name, "a%d", i);
    cn_named_array *v = cn_arrays_add(&g, a, name, CN_F32, CN_DIMS(2, i), NULL);
    cr_assert(v && (uintptr_t)v->data % 64 == 0);
    for (int k = 0; k < 2 * i; k++) cr_assert_eq(((float *)v->data)[k], 0);
  }
  CHECK_ARRAY(cn_arrays_add(&g, a, "copy", CN_I32, CN_DIMS(3), ((const int32_t[]){ 1, 2, 3 })), "copy", CN_I32, "[3]", int32_t, 1, 2, 3);
  cr_assert_eq(a->n, 21);
  cr_assert_eq(cn_arrays_find(a, "a7"), &a->v[7]);
  cr_assert_null(cn_arrays_find(a, "b"));
  cr_assert_null(cn_arrays_find(a, NULL));
  cr_assert_null(cn_arrays_find(NULL, "a7"));
  cn_arrays_free(&g, a);
  cn_arrays_free(&g, NULL);
  cr_assert_eq(g.c.bytes, 0);
  graph_end(&g, &n);
}

Test(io_array, strings_and_metadata) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  cn_arrays *a = cn_arrays_new(&g);
  static const char *const texts[] = { "one", "", "three" };
  const cn_named_array *v = cn_arrays_add_strings(&g, a, "words", CN_DIMS(3), texts);
  CHECK_STRINGS(v, "words", "one", "", "three");
  cr_assert_eq(((const int64_t *)v->data)[3], 8);
  cr_assert_null(cn_arrays_string(v, 3, NULL));
  cr_assert_null(cn_arrays_string(v, -1, NULL));
  cr_assert_null(cn_arrays_string(NULL, 0, NULL));
  cr_assert(cn_arrays_set_metadata(&g, a, "format", "pt") && cn_arrays_set_metadata(&g, a, "other", "x") && cn_arrays_set_metadata(&g, a, "format", "cornu"));
  cr_assert_eq(a->metadata_n, 2);
  cr_assert_str_eq(cn_arrays_metadata(a, "format"), "cornu");
  cr_assert_null(cn_arrays_metadata(a, "none"));
  cn_arrays_free(&g, a);
  cr_assert_eq(g.c.bytes, 0);
  graph_end(&g, &n);
}

#define CHECK_ERROR(code, text)                                                                \
  do {                                                                                         \
    cr_assert_str_eq(cn_error(&g), text);                                                      \
    cr_assert_eq(cn_error_code(&g), code);                                                     \
    cr_assert_eq(a->n, 0);                                                                     \
    cni_error_clear(&g);                                                                       \
  } while (0)

Test(io_array, refusals) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  cn_arrays *a = cn_arrays_new(&g);
  cr_assert_null(cn_arrays_add(&g, a, "x", CN_F32, CN_DIMS(2, CN_UNKNOWN), NULL));
  CHECK_ERROR(CN_SHAPE, "arrays: x: the shape [2,?] has an unknown size or is too large");
  cr_assert_null(cn_arrays_add(&g, a, "x", CN_F32, CN_DIMS(INT64_MAX, 2), NULL));
  CHECK_ERROR(CN_SHAPE, "arrays: x: the shape [9223372036854775807,2] has an unknown size or is too large");
  cr_assert_null(cn_arrays_add(&g, a, "x", CN_STRING, CN_DIMS(2), NULL));
  CHECK_ERROR(CN_DTYPE, "arrays: x: an array of string is not added this way");
  cr_assert_null(cn_arrays_add(&g, a, NULL, CN_F32, CN_DIMS(2), NULL));
  CHECK_ERROR(CN_VALUE, "arrays: an array has no name");
  cr_assert_null(cn_arrays_add_strings(&g, a, "x", CN_DIMS(1), NULL));
  CHECK_ERROR(CN_VALUE, "arrays: x: text 0 is missing");
  cr_assert_not(cn_arrays_set_metadata(&g, a, "k", NULL));
  CHECK_ERROR(CN_VALUE, "arrays: metadata has no text");
  cn_fail(&g, CN_STATE, "before");
  cr_assert_null(cn_arrays_new(&g));
  cr_assert_null(cn_arrays_add(&g, a, "x", CN_F32, CN_DIMS(2), NULL));
  cr_assert_null(cn_arrays_new(NULL));
  cn_arrays_free(&g, a);
  graph_end(&g, &n);
}
