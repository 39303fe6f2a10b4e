/* Writing one array in NumPy's format. */
#include <string.h>
#include "io_private.h"
#include "npy.h"

#define ALIGNMENT 64
static const char *const types[CN_DTYPES] = { [CN_F32] = "<f4", [CN_F64] = "<f8", [CN_I32] = "<i4", [CN_I64] = "<i8", [CN_U8] = "|u1", [CN_BOOL] = "|b1" };

/* The code point that UTF-8 text begins with, and its length; 0 bytes where there is none. */
static size_t code_point(const char *text, int64_t left, uint32_t *out) {
  const unsigned char *p = (const unsigned char *)text;
  const size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
  if (n == 0 || (int64_t)n > left) return 0;
  uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
  for (size_t i = 1; i < n; i++) {
    if ((p[i] & 0xc0) != 0x80) return 0;
    c = c << 6 | (p[i] & 0x3fu);
  }
  static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
  if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return 0;
  *out = c;
  return n;
}

/* Characters of text i, written to `to` unless it is NULL; -1 where it is no UTF-8, or ends in a zero, which the format cannot tell from padding. */
static int64_t decode(const cn_named_array *v, int64_t i, unsigned char *to) {
  int64_t length, n = 0;
  const char *p = cn_arrays_string(v, i, &length);
  uint32_t c = 1;
  for (size_t k; length > 0; p += k, length -= (int64_t)k, n++) {
    k = code_point(p, length, &c);
    if (k == 0) return -1;
    if (to) memcpy(to + 4 * n, &c, sizeof c);
  }
  return c ? n : -1;
}

static bool encode_texts(cn_graph *g, const char *what, const cn_named_array *v, cni_npy *out, char *type, size_t type_size) {
  const int64_t count = cn_dims_count(&v->dims);
  int64_t longest = 1; /* NumPy has no texts of length 0 */
  for (int64_t i = 0; i < count; i++) {
    const int64_t n = decode(v, i, NULL);
    if (n < 0) return cn_fail(g, CN_VALUE, "%s: %s: text %lld is no UTF-8, or ends in a zero", what, v->name, (long long)i), false;
    if (n > longest) longest = n;
  }
  if (!cni_size_multiply((size_t)count, (size_t)longest * 4, &out->bytes)) return cn_fail(g, CN_NO_MEMORY, "%s: %s is too large", what, v->name), false;
  unsigned char *p = cni_alloc(g, out->bytes + 1);
  if (!p) return false;
  for (int64_t i = 0; i < count; i++) decode(v, i, p + (size_t)(i * longest) * 4);
  out->owned = p;
  out->data = p;
  snprintf(type, type_size, "<U%lld", (long long)longest);
  return true;
}

static int shape_text(const cn_dims *dims, char *text, size_t size) {
  int n = snprintf(text, size, "(");
  for (int i = 0; i < dims->rank; i++) n += snprintf(text + n, size - (size_t)n, "%s%lld", i ? ", " : "", (long long)dims->d[i]);
  return n + snprintf(text + n, size - (size_t)n, dims->rank == 1 ? ",)" : ")");
}

bool cni_npy_encode(cn_graph *g, const char *what, const cn_named_array *v, cni_npy *out) {
  char type[32], shape[CN_MAX_RANK * 24 + 8], text[sizeof shape + 128];
  *out = (cni_npy){ .data = v->data, .bytes = cni_array_bytes(v) };
  if (v->dtype == CN_STRING) {
    if (!encode_texts(g, what, v, out, type, sizeof type)) return false;
  } else snprintf(type, sizeof type, "%s", types[v->dtype]);
  shape_text(&v->dims, shape, sizeof shape);
  const int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", type, shape);
  out->header_bytes = (10 + (size_t)n + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  out->header = cni_alloc(g, out->header_bytes);
  if (!out->header) return cni_npy_free(g, out), false;
  memset(out->header, ' ', out->header_bytes);
  memcpy(out->header, "\x93NUMPY\x01", 8); /* version 1.0: the literal's own zero is its second byte */
  out->header[8] = (char)((out->header_bytes - 10) & 0xff);
  out->header[9] = (char)((out->header_bytes - 10) >> 8);
  memcpy(out->header + 10, text, (size_t)n);
  out->header[out->header_bytes - 1] = '\n';
  return true;
}

void cni_npy_free(cn_graph *g, cni_npy *npy) {
  cni_free(g, npy->header);
  cni_free(g, npy->owned);
  *npy = (cni_npy){ .header = NULL };
}

bool cn_write_npy(cn_graph *g, const char *path, const cn_named_array *v) {
  cni_output out;
  cni_npy npy;
  const cn_arrays one = { .v = (cn_named_array *)v, .n = 1 };
  if (!cni_arrays_check(g, "write_npy", path, v ? &one : NULL, true) || !cni_npy_encode(g, "write_npy", v, &npy)) return false;
  const bool ok = cni_output_open(&out, g, "write_npy", path) &&
                  cni_output_close(&out, cni_output_write(&out, npy.header, npy.header_bytes) && cni_output_write(&out, npy.data, npy.bytes));
  cni_npy_free(g, &npy);
  return ok;
}
