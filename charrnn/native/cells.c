/* The recurrences of rnn, lstm and gru over a window, forward and backward, and the gradient of looking up characters.

   What does not depend on the state before, U x + b, has been computed for all time steps at once. Here each thread
   takes some rows of the batch through all of time: the product with W, a tile of a few rows and units at a time, and
   while the tile is in the nearest cache its gates. No thread waits for another, and W stays in the cache.

   T time steps, B rows, H units, a multiple of LANES. Matrices lie row by row; W is [gates * H, H].
   h and c are [T + 1, B, H], and begin with the state before the window. */

#include <stdlib.h>
#include <string.h>
#include "vectors.h"

/* ---- the product of a few rows with a packed matrix ----------------------------------------------------------- */

#define GROUP 4      /* vectors of a tile, where they are of one gate */
#define MOST_ROWS 8
typedef float Tile[MOST_ROWS * GROUP * LANES];

/* W [K, H], for products of rows with W: tiles [K][vectors][LANES], each read from beginning to end. A tile has GROUP
   neighbouring vectors of units; what is left of the units has tiles of one vector. */
static void pack(float *to, const float *w, long K, long H, long threads) {
#pragma omp parallel for num_threads((int)threads) schedule(static)
    for (long first = 0; first < H; first += GROUP * LANES)
        for (long u = first, wide; u < H && u < first + GROUP * LANES; u += wide) {
            wide = u + GROUP * LANES <= H ? GROUP * LANES : LANES;
            for (long k = 0; k < K; k++) memcpy(to + u * K + k * wide, w + k * H + u, sizeof(float) * wide);
        }
}

/* W [gates * H, H], for products of rows with W transposed. With more than one gate, a tile has one vector of every gate
   for the same units. */
static void pack_transposed(float *to, const float *w, long H, long gates, long threads) {
#pragma omp parallel for num_threads((int)threads) schedule(static)
    for (long first = 0; first < H; first += GROUP * LANES)
        for (long u = first, wide; u < H && u < first + GROUP * LANES; u += wide * LANES) {
            wide = gates == 1 && u + GROUP * LANES <= H ? GROUP : 1;
            for (long v = 0; v < gates * wide; v++)
                for (long lane = 0; lane < LANES; lane++) {
                    const float *row = w + (gates == 1 ? u + v * LANES + lane : v * H + u + lane) * H;
                    float *column = to + u * gates * H + v * LANES + lane;
                    for (long k = 0; k < H; k++) column[k * gates * wide * LANES] = row[k];
                }
        }
}

/* tile[r][v] = sum over k of a[r][k] b[k][v], or that added to it, in registers: R and V are constants here. */
INLINE void tile_product(int R, int V, long K, const float *a, long stride, const float *b, float *tile, int add) {
    vec sums[MOST_ROWS][GROUP];
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++)
        sums[r][v] = add ? load(tile + (r * V + v) * LANES) : splat(0);
    for (long k = 0; k < K; k++, b += V * LANES) {
        vec column[GROUP];
        UNROLL for (int v = 0; v < V; v++) column[v] = load(b + v * LANES);
        UNROLL for (int r = 0; r < R; r++) {
            vec x = splat(a[r * stride + k]);
            UNROLL for (int v = 0; v < V; v++) sums[r][v] += x * column[v];
        }
    }
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) store(tile + (r * V + v) * LANES, sums[r][v]);
}

/* Rows of A, `stride` apart, times the packed tile b of V vectors. */
static void product(long rows, long V, long K, const float *a, long stride, const float *b, float *tile, int add) {
#define CASE(r, v) case v * 16 + r: if (r * v <= ACCUMULATORS) tile_product(r, v, K, a, stride, b, tile, add); break;
#define CASES(v) CASE(1, v) CASE(2, v) CASE(3, v) CASE(4, v) CASE(5, v) CASE(6, v) CASE(7, v) CASE(8, v)
    switch (V * 16 + rows) { CASES(1) CASES(3) CASES(4) }
}

/* The rows [first, last) in parts of nearly the same size whose tiles of V vectors fit into the registers. */
#define FOR_PARTS(row, rows, first, last, V) \
    for (long most_ = ACCUMULATORS / (V) > MOST_ROWS ? MOST_ROWS : ACCUMULATORS / (V), \
              parts_ = ((last) - (first) + most_ - 1) / most_, part_ = 0, row, rows; \
         part_ < parts_ && (row = (first) + ((last) - (first)) * part_ / parts_, \
                            rows = (first) + ((last) - (first)) * (part_ + 1) / parts_ - row, 1); \
         part_++)

/* All units, GROUP vectors at a time and what is left one by one; `u` is the first unit. */
#define FOR_UNITS(u, wide, H) \
    for (long u = 0, wide; u < (H) && (wide = u + GROUP * LANES <= (H) ? GROUP : 1); u += wide * LANES)

/* The vectors of a tile of `wide` vectors of one gate: `at` counts its floats, r its rows, x its units. */
#define FOR_VECTORS(at, r, x, rows, wide) \
    for (long at = 0, r = 0, x = 0; at < (rows) * (wide) * LANES; \
         at += LANES, x += LANES, r += x == (wide) * LANES, x = x == (wide) * LANES ? 0 : x)

/* dh [B, H] += what reaches the state before the window. */
static void add_tile(long rows, long wide, long H, const float *tile, float *dh) {
    FOR_VECTORS(at, r, x, rows, wide) store(dh + r * H + x, load(dh + r * H + x) + load(tile + at));
}

/* ---- lstm: gates i, f, g, o ------------------------------------------------------------------------------------ */

/* gates [T, B, 4 H]: U x + b before, the gates after. w [4 H, H]. */
int lstm_forward(long T, long B, long H, float *gates, const float *w, float *h, float *c, long threads) {
    float *packed = malloc(sizeof(float) * 4 * H * H);
    if (!packed) return 1;
    pack_transposed(packed, w, H, 4, threads);
    SHARE(B, threads)
        for (long t = 0; t < T; t++)
            for (long u = 0; u < H; u += LANES)
                FOR_PARTS(row, rows, FIRST(B), LAST(B), 4) {
                    Tile tile;
                    product(rows, 4, H, h + (t * B + row) * H, H, packed + u * 4 * H, tile, 0);
                    for (long r = 0; r < rows; r++) {
                        long before = (t * B + row + r) * H + u, now = before + B * H;
                        float *own = gates + (t * B + row + r) * 4 * H + u, *sums = tile + r * 4 * LANES;
                        vec i = sigmoid(load(own) + load(sums));
                        vec f = sigmoid(load(own + H) + load(sums + LANES));
                        vec g = hyperbolic(load(own + 2 * H) + load(sums + 2 * LANES));
                        vec o = sigmoid(load(own + 3 * H) + load(sums + 3 * LANES));
                        vec cell = f * load(c + before) + i * g;
                        store(own, i), store(own + H, f), store(own + 2 * H, g), store(own + 3 * H, o);
                        store(c + now, cell), store(h + now, o * hyperbolic(cell));
                    }
                }
    free(packed);
    return 0;
}

/* gates: as lstm_forward left them, and after this the gradients before the gates. dy [T, B, H]: the gradient of
   h_1 to h_T. dc [B, H]: that of the last c, and after this of the first; dh [B, H]: zeros, and after this the
   gradient of the first h. */
int lstm_backward(long T, long B, long H, float *gates, const float *w, const float *c, const float *dy, float *dh,
                  float *dc, long threads) {
    float *packed = malloc(sizeof(float) * 4 * H * H);
    if (!packed) return 1;
    pack(packed, w, 4 * H, H, threads);
    SHARE(B, threads)
        for (long t = T - 1; t >= -1; t--)
            FOR_UNITS(u, wide, H)
                FOR_PARTS(row, rows, FIRST(B), LAST(B), GROUP) {
                    Tile tile = {0};
                    if (t < T - 1)
                        product(rows, wide, 4 * H, gates + ((t + 1) * B + row) * 4 * H, 4 * H, packed + u * 4 * H, tile, 0);
                    if (t < 0) {
                        add_tile(rows, wide, H, tile, dh + row * H + u);
                        continue;
                    }
                    FOR_VECTORS(at, r, x, rows, wide) {
                        long before = (t * B + row + r) * H + u + x;
                        float *own = gates + (t * B + row + r) * 4 * H + u + x, *carried = dc + (row + r) * H + u + x;
                        vec i = load(own), f = load(own + H), g = load(own + 2 * H), o = load(own + 3 * H);
                        vec squashed = hyperbolic(load(c + before + B * H)), d = load(tile + at) + load(dy + before);
                        vec dcell = load(carried) + d * o * (1.0f - squashed * squashed);
                        store(carried, dcell * f);
                        store(own, dcell * g * i * (1.0f - i));
                        store(own + H, dcell * load(c + before) * f * (1.0f - f));
                        store(own + 2 * H, dcell * i * (1.0f - g * g));
                        store(own + 3 * H, d * squashed * o * (1.0f - o));
                    }
                }
    free(packed);
    return 0;
}

/* ---- gru: gates r, z, n ----------------------------------------------------------------------------------------- */

/* gates [T, B, 3 H]: U x + b before, the gates after. inner [T, B, H]: W_n h + bias. w [3 H, H]. */
int gru_forward(long T, long B, long H, float *gates, const float *w, const float *bias, float *inner, float *h,
                long threads) {
    float *packed = malloc(sizeof(float) * 3 * H * H);
    if (!packed) return 1;
    pack_transposed(packed, w, H, 3, threads);
    SHARE(B, threads)
        for (long t = 0; t < T; t++)
            for (long u = 0; u < H; u += LANES)
                FOR_PARTS(row, rows, FIRST(B), LAST(B), 3) {
                    Tile tile;
                    product(rows, 3, H, h + (t * B + row) * H, H, packed + u * 3 * H, tile, 0);
                    for (long i = 0; i < rows; i++) {
                        long before = (t * B + row + i) * H + u;
                        float *own = gates + (t * B + row + i) * 3 * H + u, *sums = tile + i * 3 * LANES;
                        vec r = sigmoid(load(own) + load(sums));
                        vec z = sigmoid(load(own + H) + load(sums + LANES));
                        vec within = load(sums + 2 * LANES) + load(bias + u);
                        vec n = hyperbolic(load(own + 2 * H) + r * within);
                        store(own, r), store(own + H, z), store(own + 2 * H, n), store(inner + before, within);
                        store(h + before + B * H, n + z * (load(h + before) - n));
                    }
                }
    free(packed);
    return 0;
}

/* gates and inner: as gru_forward left them, and after this their gradients (before the gates). dh [B, H]: zeros, and
   after this the gradient of the first h. */
int gru_backward(long T, long B, long H, float *gates, float *inner, const float *w, const float *h, const float *dy,
                 float *dh, long threads) {
    float *packed = malloc(sizeof(float) * 3 * H * H);
    if (!packed) return 1;
    pack(packed, w, 3 * H, H, threads);
    SHARE(B, threads)
        for (long t = T - 1; t >= -1; t--)
            FOR_UNITS(u, wide, H)
                FOR_PARTS(row, rows, FIRST(B), LAST(B), GROUP) {
                    Tile tile = {0};
                    if (t < T - 1) {
                        const float *w_n = packed + u * 3 * H + 2 * H * wide * LANES;
                        long after = (t + 1) * B + row;
                        product(rows, wide, 2 * H, gates + after * 3 * H, 3 * H, packed + u * 3 * H, tile, 0);
                        product(rows, wide, H, inner + after * H, H, w_n, tile, 1);
                    }
                    if (t < 0) {
                        add_tile(rows, wide, H, tile, dh + row * H + u);
                        continue;
                    }
                    FOR_VECTORS(at, i, x, rows, wide) {
                        long before = (t * B + row + i) * H + u + x;
                        float *own = gates + (t * B + row + i) * 3 * H + u + x, *carried = dh + (row + i) * H + u + x;
                        vec r = load(own), z = load(own + H), n = load(own + 2 * H);
                        vec d = load(tile + at) + load(dy + before) + load(carried);
                        vec dn = d * (1.0f - z) * (1.0f - n * n);
                        store(carried, d * z);
                        store(own, dn * load(inner + before) * r * (1.0f - r));
                        store(own + H, d * (load(h + before) - n) * z * (1.0f - z));
                        store(own + 2 * H, dn), store(inner + before, dn * r);
                    }
                }
    free(packed);
    return 0;
}

/* ---- rnn -------------------------------------------------------------------------------------------------------- */

/* x [T, B, H]: U x + b. w [H, H]. */
int rnn_forward(long T, long B, long H, const float *x, const float *w, float *h, long relu, long threads) {
    float *packed = malloc(sizeof(float) * H * H);
    if (!packed) return 1;
    pack_transposed(packed, w, H, 1, threads);
    SHARE(B, threads)
        for (long t = 0; t < T; t++)
            FOR_UNITS(u, wide, H)
                FOR_PARTS(row, rows, FIRST(B), LAST(B), GROUP) {
                    Tile tile;
                    product(rows, wide, H, h + (t * B + row) * H, H, packed + u * H, tile, 0);
                    FOR_VECTORS(at, r, i, rows, wide) {
                        long before = (t * B + row + r) * H + u + i;
                        vec a = load(tile + at) + load(x + before);
                        if (relu) a = choose(a <= splat(0), splat(0), a);
                        else a = hyperbolic(a);
                        store(h + before + B * H, a);
                    }
                }
    free(packed);
    return 0;
}

/* dx [T, B, H]: the gradients of U x + b. dh [B, H]: zeros, and after this the gradient of the first h. */
int rnn_backward(long T, long B, long H, float *dx, const float *w, const float *h, const float *dy, float *dh,
                 long relu, long threads) {
    float *packed = malloc(sizeof(float) * H * H);
    if (!packed) return 1;
    pack(packed, w, H, H, threads);
    SHARE(B, threads)
        for (long t = T - 1; t >= -1; t--)
            FOR_UNITS(u, wide, H)
                FOR_PARTS(row, rows, FIRST(B), LAST(B), GROUP) {
                    Tile tile = {0};
                    if (t < T - 1) product(rows, wide, H, dx + ((t + 1) * B + row) * H, H, packed + u * H, tile, 0);
                    if (t < 0) {
                        add_tile(rows, wide, H, tile, dh + row * H + u);
                        continue;
                    }
                    FOR_VECTORS(at, r, i, rows, wide) {
                        long now = (t * B + row + r) * H + u + i;
                        vec d = load(tile + at) + load(dy + now), y = load(h + now + B * H);
                        if (relu) d = choose(y > splat(0), d, splat(0));
                        else d = d * (1.0f - y * y);
                        store(dx + now, d);
                    }
                }
    free(packed);
    return 0;
}

/* ---- the alphabet ------------------------------------------------------------------------------------------------- */

/* Adds each row of `rows` [N, W] to the row ids[n] of `to`. Each thread has some of the columns. */
int sum_rows(long N, long W, const int64_t *ids, const float *rows, float *to, long threads) {
    SHARE(W, threads)
        for (long n = 0; n < N; n++) {
            float *sums = to + ids[n] * W;
            for (long u = FIRST(W); u < LAST(W); u++) sums[u] += rows[n * W + u];
        }
    return 0;
}
