/* Data types and shapes. */
#include "types.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct dtype_row { const char *name; size_t size; } dtype_row;

static const dtype_row dtype_rows[CN_DTYPES] = {
  [CN_F32] = { "float32", 4 }, [CN_F64] = { "float64", 8 }, [CN_I32] = { "int32", 4 },   [CN_I64] = { "int64", 8 },
  [CN_U8] = { "uint8", 1 },    [CN_BOOL] = { "bool", 1 },   [CN_STRING] = { "string", 0 },
};

static bool known(cn_dtype dtype) { return (unsigned)dtype < CN_DTYPES; }

size_t cn_dtype_size(cn_dtype dtype) { return known(dtype) ? dtype_rows[dtype].size : 0; }

const char *cn_dtype_name(cn_dtype dtype) { return known(dtype) ? dtype_rows[dtype].name : "unknown"; }

bool cn_dtype_from_name(const char *name, cn_dtype *out) {
  for (int i = 0; name && i < CN_DTYPES; i++) {
    if (strcmp(name, dtype_rows[i].name) != 0) continue;
    *out = (cn_dtype)i;
    return true;
  }
  return false;
}

int64_t cn_dims_count(const cn_dims *dims) {
  int64_t count = 1, checked = 1; /* checked leaves out sizes of 0, which must not hide an overflow */
  for (int i = 0; i < dims->rank; i++) {
    const int64_t d = dims->d[i];
    if (d < 0) return -1;
    if (d > 0 && (__builtin_mul_overflow(checked, d, &checked) || checked > INT64_MAX / 16)) return -1;
    count *= d;
  }
  return count;
}

bool cn_dims_equal(const cn_dims *a, const cn_dims *b) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->d[i] != b->d[i]) return false;
  return true;
}

const char *cn_dims_text(const cn_dims *dims, char *text, size_t size) {
  char full[CN_MAX_RANK * 21 + 3], *p = full;
  *p++ = '[';
  for (int i = 0; i < dims->rank && i < CN_MAX_RANK; i++) {
    if (i > 0) *p++ = ',';
    if (dims->d[i] == CN_UNKNOWN) *p++ = '?';
    else p += sprintf(p, "%" PRId64, dims->d[i]);
  }
  *p++ = ']';
  *p = '\0';
  if (size > 0) snprintf(text, size, "%s", full);
  return text;
}

const char *cn_version(void) { return CN_VERSION; }
