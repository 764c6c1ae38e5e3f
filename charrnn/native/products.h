/* Products of matrices. A tile of a few rows and vectors is summed in registers at a time. */
#ifndef PRODUCTS_H
#define PRODUCTS_H

#include <string.h>
#include "vectors.h"

#define GROUP 4     /* number of vectors of a tile of one gate */
#define MOST_ROWS 8 /* the most rows of a tile */

/* Loops over H units in tiles of `wide` vectors: GROUP, and at the end single ones. u is a tile's first unit. */
#define FOR_UNITS(u, wide, H) \
    for (long u = 0, wide; u < (H) && (wide = u + GROUP * LANES <= (H) ? GROUP : 1); u += wide * LANES)

/* Loops over the rows [first, last) in parts of nearly the same size. A part has `rows` rows from `row` on, so few that
   a tile of so many rows and V vectors fits into the registers. */
#define FOR_PARTS(row, rows, first, last, V) \
    for (long most_ = ACCUMULATORS / (V) > MOST_ROWS ? MOST_ROWS : ACCUMULATORS / (V), \
              parts_ = ((last) - (first) + most_ - 1) / most_, part_ = 0, row, rows; \
         part_ < parts_ && (row = (first) + ((last) - (first)) * part_ / parts_, \
                            rows = (first) + ((last) - (first)) * (part_ + 1) / parts_ - row, 1); \
         part_++)

/* Packs W [K, H], for products of rows with W, into tiles [K][vectors][LANES], which are read from beginning to end. A
   tile has GROUP neighbouring vectors of units; the last units have tiles of one vector. */
static void pack(float *to, const float *w, long K, long H, long threads) {
#pragma omp parallel for num_threads((int)threads) schedule(static)
    for (long first = 0; first < H; first += GROUP * LANES)
        for (long u = first, wide; u < H && u < first + GROUP * LANES; u += wide) {
            wide = u + GROUP * LANES <= H ? GROUP * LANES : LANES;
            for (long k = 0; k < K; k++) memcpy(to + u * K + k * wide, w + k * H + u, sizeof(float) * wide);
        }
}

/* Packs W [gates * H, K], for products of rows with W transposed. With more than one gate, a tile has one vector of
   every gate for the same units. */
static void pack_transposed(float *to, const float *w, long H, long K, long gates, long threads) {
#pragma omp parallel for num_threads((int)threads) schedule(static)
    for (long first = 0; first < H; first += GROUP * LANES)
        for (long u = first, wide; u < H && u < first + GROUP * LANES; u += wide * LANES) {
            wide = gates == 1 && u + GROUP * LANES <= H ? GROUP : 1;
            for (long v = 0; v < gates * wide; v++)
                for (long lane = 0; lane < LANES; lane++) {
                    const float *row = w + (gates == 1 ? u + v * LANES + lane : v * H + u + lane) * K;
                    float *column = to + u * gates * K + v * LANES + lane;
                    for (long k = 0; k < K; k++) column[k * gates * wide * LANES] = row[k];
                }
        }
}

/* c[r][v] = sum over k of a[r][k] b[k][v]; with `add`, the sum is added to c. R and V are constants at each call. A row
   is `ar`, `br` or `cr` numbers from the next one; in a, one k is `ak` numbers from the next. */
INLINE void tile_product(int R, int V, long K, const float *a, long ar, long ak, const float *b, long br, float *c, long cr,
                         int add) {
    vec sums[MOST_ROWS][GROUP];
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++)
        sums[r][v] = add ? load(c + r * cr + v * LANES) : splat(0);
    for (long k = 0; k < K; k++, a += ak, b += br) {
        vec column[GROUP];
        UNROLL for (int v = 0; v < V; v++) column[v] = load(b + v * LANES);
        UNROLL for (int r = 0; r < R; r++) {
            vec x = splat(a[r * ar]);
            UNROLL for (int v = 0; v < V; v++) sums[r][v] += x * column[v];
        }
    }
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) store(c + r * cr + v * LANES, sums[r][v]);
}

/* tile_product for any number of rows and V vectors that fit into the registers. Either `ar` or `ak` is 1. */
static void product(long rows, long V, long K, const float *a, long ar, long ak, const float *b, long br, float *c, long cr,
                    int add) {
#define CASE(r, v) case v * 16 + r: if (r * v > ACCUMULATORS) break; \
    if (ak == 1) tile_product(r, v, K, a, ar, 1, b, br, c, cr, add); \
    else tile_product(r, v, K, a, 1, ak, b, br, c, cr, add); \
    break;
#define CASES(v) CASE(1, v) CASE(2, v) CASE(3, v) CASE(4, v) CASE(5, v) CASE(6, v) CASE(7, v) CASE(8, v)
    switch (V * 16 + rows) { CASES(1) CASES(3) CASES(4) }
}

#endif
