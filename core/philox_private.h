/* Philox4x32-10 on many counters side by side, and its rounding to numbers. Arithmetic is the same in every instruction set: its files are compiled with
 * -ffp-contract=off. */
#ifndef CN_CORE_PHILOX_PRIVATE_H
#define CN_CORE_PHILOX_PRIVATE_H
#include <stdint.h>

#define PHILOX_LANES 64                   /* blocks side by side */
#define PHILOX_WORDS (4 * PHILOX_LANES)   /* their words */

static const uint32_t philox_multiplier[2] = { 0xD2511F53u, 0xCD9E8D57u };
static const uint32_t philox_weyl[2] = { 0x9E3779B9u, 0xBB67AE85u };

/* One round on counter words c0 .. c3. */
static inline void philox_round(uint32_t *c0, uint32_t *c1, uint32_t *c2, uint32_t *c3, uint32_t k0, uint32_t k1) {
  const uint64_t p0 = (uint64_t)philox_multiplier[0] * *c0, p1 = (uint64_t)philox_multiplier[1] * *c2;
  const uint32_t h0 = (uint32_t)(p0 >> 32), h1 = (uint32_t)(p1 >> 32);
  *c0 = h1 ^ *c1 ^ k0;
  *c1 = (uint32_t)p1;
  *c2 = h0 ^ *c3 ^ k1;
  *c3 = (uint32_t)p0;
}

/* words [PHILOX_LANES, 4]: blocks `block` .. block + PHILOX_LANES - 1 of the stream `key`. */
static inline void philox_blocks(uint32_t *words, uint64_t key, uint64_t block) {
  uint32_t c0[PHILOX_LANES], c1[PHILOX_LANES], c2[PHILOX_LANES], c3[PHILOX_LANES];
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int i = 0; i < PHILOX_LANES; i++) {
    const uint64_t counter = block + (uint64_t)i;
    c0[i] = (uint32_t)counter;
    c1[i] = (uint32_t)(counter >> 32);
    c2[i] = c3[i] = 0;
  }
  for (int r = 0; r < 10; r++, k0 += philox_weyl[0], k1 += philox_weyl[1]) {
    for (int i = 0; i < PHILOX_LANES; i++) philox_round(&c0[i], &c1[i], &c2[i], &c3[i], k0, k1);
  }
  for (int i = 0; i < PHILOX_LANES; i++) {
    words[4 * i] = c0[i];
    words[4 * i + 1] = c1[i];
    words[4 * i + 2] = c2[i];
    words[4 * i + 3] = c3[i];
  }
}

#endif
