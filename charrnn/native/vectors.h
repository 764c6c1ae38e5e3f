/* Short vectors and functions of them. A `vec` is one register of AVX-512, one of AVX2, or two of NEON. */
#ifndef VECTORS_H
#define VECTORS_H

#include <stdint.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#ifdef __AVX512F__
#define LANES 16
#define ACCUMULATORS 24 /* number of registers for a tile of a matrix product, of 32 */
#else
#define LANES 8
#define ACCUMULATORS 12 /* of 16 */
#endif
typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 24")

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec x) { *(vec *)p = x; }
INLINE vec splat(float x) { return x - (vec){}; }
INLINE vec choose(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }
INLINE vec smaller(vec a, vec b) { return choose(a < b, a, b); }
INLINE vec larger(vec a, vec b) { return choose(a > b, a, b); }

/* e^x to two units in the last place. x is first limited to [-87, 87]. The result is 2^n times a polynomial of the rest
   (Cephes, expf). NaN stays NaN, so that the explosion of a training is seen. */
INLINE vec exponential(vec x) {
    vec bounded = larger(smaller(x, splat(87.0f)), splat(-87.0f));
    vec n = bounded * 1.44269504f + 12582912.0f; /* adding 1.5 * 2^23 rounds, as the last bit is then 1 */
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

/* 1 / x for 1 <= x < 1e38. With AVX-512 an approximation of 14 bits and a Newton step are faster than a division. */
#ifdef __AVX512F__
INLINE vec inverse(vec x) {
    vec y = (vec)_mm512_rcp14_ps((__m512)x);
    return y * (2.0f - x * y);
}
#else
INLINE vec inverse(vec x) { return 1.0f / x; }
#endif

INLINE vec sigmoid(vec x) { return inverse(1.0f + exponential(-x)); }
INLINE vec hyperbolic(vec x) { return 1.0f - 2.0f * inverse(1.0f + exponential(x + x)); }

/* bfloat16: the upper half of a float, rounded to nearest, ties to even. */
typedef uint16_t bfloat;
typedef uint16_t bvec __attribute__((vector_size(2 * LANES), aligned(2), may_alias));
typedef uint32_t uvec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE vec load_bfloat(const bfloat *p) { return (vec)(__builtin_convertvector(*(const bvec *)p, uvec) << 16); }
#if defined(__AVX512BF16__) && LANES == 16
/* One instruction for the function below; numbers below 1e-38 become 0. */
INLINE void store_bfloat(bfloat *p, vec x) { *(bvec *)p = (bvec)_mm512_cvtneps_pbh((__m512)x); }
#else
INLINE void store_bfloat(bfloat *p, vec x) {
    uvec bits = (uvec)x;
    uvec rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    *(bvec *)p = __builtin_convertvector(rounded | ((uvec)(x != x) & 0x7fc0), bvec);
}
#endif

INLINE float sum(vec x) {
    float total = 0;
    for (int i = 0; i < LANES; i++) total += x[i];
    return total;
}

/* Divides B rows among the threads. The statement after it runs in each thread, for the rows FIRST(B) to LAST(B). */
#define SHARE(B, threads) \
    int shares = (int)((threads) < (B) ? (threads) : (B)); \
    _Pragma("omp parallel for num_threads(shares) schedule(static, 1)") \
    for (int share = 0; share < shares; share++)
#define FIRST(B) ((B) * share / shares)
#define LAST(B) ((B) * (share + 1) / shares)

#endif
