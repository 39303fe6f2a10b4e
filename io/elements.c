/* Numbers as files hold them: narrow integers and half-precision floats become types that tensors have. */
#include <string.h>
#include "io_private.h"

static uint32_t half_bits(uint16_t h) {
  const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
  if (exponent == 31) return sign | 0x7f800000u | mantissa << 13;
  if (exponent > 0) return sign | (exponent + 112) << 23 | mantissa << 13;
  const float small = (float)mantissa * 0x1p-24f; /* zero, or below 2^-14 */
  uint32_t bits;
  memcpy(&bits, &small, sizeof bits);
  return sign | bits;
}

/* From the last to the first, since what a number becomes is as long or longer. */
#define DECODE(id, from, to, value)                             \
  static void id(unsigned char *p, int64_t n) {                 \
    for (int64_t i = n - 1; i >= 0; i--) {                      \
      from v;                                                   \
      memcpy(&v, p + (size_t)i * sizeof v, sizeof v);           \
      const to w = value;                                       \
      memcpy(p + (size_t)i * sizeof w, &w, sizeof w);           \
    }                                                           \
  }
DECODE(decode_i8, int8_t, int32_t, v)
DECODE(decode_bool, uint8_t, uint8_t, v != 0)
DECODE(decode_i16, int16_t, int32_t, v)
DECODE(decode_u16, uint16_t, int32_t, v)
DECODE(decode_f16, uint16_t, uint32_t, half_bits(v))
DECODE(decode_bf16, uint16_t, uint32_t, (uint32_t)v << 16)
DECODE(decode_u32, uint32_t, int64_t, v)
DECODE(swap_16, uint16_t, uint16_t, __builtin_bswap16(v))
DECODE(swap_32, uint32_t, uint32_t, __builtin_bswap32(v))
DECODE(swap_64, uint64_t, uint64_t, __builtin_bswap64(v))

typedef struct element { size_t size; cn_dtype dtype; void (*decode)(unsigned char *p, int64_t n); } element;
static const element elements[CNI_ELEMENTS] = {
  [CNI_I8] = { 1, CN_I32, decode_i8 },     [CNI_U8] = { 1, CN_U8, NULL },         [CNI_BOOL] = { 1, CN_BOOL, decode_bool },
  [CNI_I16] = { 2, CN_I32, decode_i16 },   [CNI_U16] = { 2, CN_I32, decode_u16 }, [CNI_F16] = { 2, CN_F32, decode_f16 },
  [CNI_BF16] = { 2, CN_F32, decode_bf16 }, [CNI_I32] = { 4, CN_I32, NULL },       [CNI_U32] = { 4, CN_I64, decode_u32 },
  [CNI_F32] = { 4, CN_F32, NULL },         [CNI_I64] = { 8, CN_I64, NULL },       [CNI_F64] = { 8, CN_F64, NULL },
};

size_t cni_element_size(cni_element e) { return elements[e].size; }

cn_dtype cni_element_dtype(cni_element e) { return elements[e].dtype; }

void cni_elements_decode(void *data, cni_element e, bool big_endian, int64_t n) {
  static void (*const swaps[])(unsigned char *p, int64_t n) = { [2] = swap_16, [4] = swap_32, [8] = swap_64 };
  const element *row = &elements[e];
  if (big_endian && row->size > 1) swaps[row->size](data, n);
  if (row->decode) row->decode(data, n);
}
