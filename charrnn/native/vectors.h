/* Short vectors and what is computed on them. A `vec` is 16 floats: one AVX-512 register, two of AVX2, four of NEON. */
#ifndef VECTORS_H
#define VECTORS_H

#include <stdint.h>

#define LANES 16
typedef float vec __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(64), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec x) { *(vec *)p = x; }
INLINE vec splat(float x) { return x - (vec){}; }
INLINE vec choose(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }
INLINE vec smaller(vec a, vec b) { return choose(a < b, a, b); }
INLINE vec larger(vec a, vec b) { return choose(a > b, a, b); }

/* e^x to 2 units in the last place: 2^n times a polynomial of the rest, |rest| <= ln 2 / 2 (Cephes, expf).
   NaN stays NaN, so that a training that explodes is seen to do so. */
INLINE vec exponential(vec x) {
    vec bounded = larger(smaller(x, splat(88.0f)), splat(-87.0f));
    vec n = bounded * 1.44269504f + 12582912.0f; /* rounds: the fraction's last bit is worth one */
    ivec power = (ivec)n << 23;
    n -= 12582912.0f;
    vec r = bounded - n * 0.693359375f + n * 2.12194440e-4f;
    vec p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return choose(x == x, (vec)((ivec)p + power), x);
}

INLINE vec sigmoid(vec x) { return 1.0f / (1.0f + exponential(-x)); }
INLINE vec hyperbolic(vec x) { return 1.0f - 2.0f / (1.0f + exponential(x + x)); }

#endif
