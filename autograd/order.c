#include "order_private.h"
#include "../core/threads_private.h"

/* ---- keys ---- */
static inline uint64_t key_of_float(float x, bool descending) {
  uint32_t bits;
  x += 0;
  memcpy(&bits, &x, sizeof bits);
  bits = x != x ? UINT32_MAX : bits ^ (bits >> 31 ? UINT32_MAX : UINT32_C(1) << 31);
  return descending ? ~bits : bits;
}
static inline uint64_t key_of_double(double x, bool descending) { return cni_key(x, descending); }
static inline uint64_t key_of_int32_t(int32_t x, bool descending) {
  const uint32_t bits = (uint32_t)x ^ UINT32_C(1) << 31;
  return descending ? ~bits : bits;
}
static inline uint64_t key_of_int64_t(int64_t x, bool descending) {
  const uint64_t bits = (uint64_t)x ^ UINT64_C(1) << 63;
  return descending ? ~bits : bits;
}
static inline uint64_t key_of_uint8_t(uint8_t x, bool descending) { return descending ? 255 - x : x; }

#define ITEMS(T)                                                                                                           \
  static void items_of_##T(cni_item *v, const T *x, int64_t step, int64_t n, bool descending) {                            \
    for (int64_t i = 0; i < n; i++) v[i] = (cni_item){ key_of_##T(x[i * step], descending), (int32_t)i };                  \
  }
ITEMS(float)
ITEMS(double)
ITEMS(int32_t)
ITEMS(int64_t)
ITEMS(uint8_t)
void cni_items(cni_item *v, const cn_tensor *x, int64_t start, int64_t step, int64_t n, bool descending) {
  switch ((cn_dtype)x->dtype) {
    case CN_F32: items_of_float(v, (const float *)x->data + start, step, n, descending); return;
    case CN_F64: items_of_double(v, (const double *)x->data + start, step, n, descending); return;
    case CN_I32: items_of_int32_t(v, (const int32_t *)x->data + start, step, n, descending); return;
    case CN_I64: items_of_int64_t(v, (const int64_t *)x->data + start, step, n, descending); return;
    default: items_of_uint8_t(v, (const uint8_t *)x->data + start, step, n, descending);
  }
}

/* ---- order ---- */
#define FEW 64 /* items up to which insertion is faster */
#define GRAIN (CNI_GRAIN / 16) /* elements of whose order a second thread makes up for its start */
#define DIGIT(key, place) ((key) >> 8 * (place) & 255)

static void insert(cni_item *v, int64_t n, int64_t k) {
  for (int64_t i = 1; i < n; i++) {
    const cni_item e = v[i];
    int64_t at = i < k ? i : k;
    if (at == k && v[k - 1].key <= e.key) continue;
    for (; at > 0 && v[at - 1].key > e.key; at--) v[at] = v[at - 1];
    v[at] = e;
  }
}

/* By one digit after another, the last first; each pass keeps the order of equals. */
static cni_item *by_digits(cni_item *v, cni_item *spare, int64_t n, int digits) {
  uint32_t count[8][256];
  memset(count, 0, (size_t)digits * sizeof *count);
  for (int64_t i = 0; i < n; i++)
    for (int d = 0; d < digits; d++) count[d][DIGIT(v[i].key, d)]++;
  for (int d = 0; d < digits; d++) {
    uint32_t *place = count[d], before = 0;
    if (place[DIGIT(v[0].key, d)] == n) continue;
    for (int k = 0; k < 256; k++) {
      const uint32_t here = place[k];
      place[k] = before;
      before += here;
    }
    for (int64_t i = 0; i < n; i++) spare[place[DIGIT(v[i].key, d)]++] = v[i];
    cni_item *other = v;
    v = spare, spare = other;
  }
  return v;
}

cni_item *cni_first_items(cni_item *v, cni_item *spare, int64_t n, int64_t k, cn_dtype dtype) {
  if (k > FEW) return by_digits(v, spare, n, (int)cn_dtype_size(dtype));
  insert(v, n, k);
  return v;
}

int64_t cni_order_parts(const cn_graph *g, int64_t lanes, int64_t n) {
  const int64_t threads = g->core.threads, most = lanes * n / GRAIN + 1, parts = threads < lanes ? threads : lanes;
  return parts < most ? parts : most;
}
