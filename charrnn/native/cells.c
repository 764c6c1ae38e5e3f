/* The recurrences of rnn, lstm and gru over a window, forward and backward. Also the operations before and after them:
   products with U, and the gradients of weights and of looking up characters.

   U x does not depend on the state, and is computed for all time steps before. Here each thread takes some rows of the
   batch through all time steps. It computes the product with W in tiles of a few rows and units, and the gates of each
   tile while it is in the nearest cache. No thread waits for another, and W stays in the cache.

   T is the number of time steps, B of rows, H of units, a multiple of LANES. Matrices are stored row by row; W is
   [gates * H, H], b [gates * H]. x is U x: a row of gates * H numbers for each place [T, B], or with ids [T, B] for
   each character. h and c are [T + 1, B, H], and begin with the state before the window. */

#include <stdlib.h>
#include "products.h"

typedef float Tile[MOST_ROWS * GROUP * LANES];

/* tile = rows of h (`stride` apart) times a packed tile of `wide` vectors. With `add` the product is added to tile. */
INLINE void times(long rows, long wide, long K, const float *h, long stride, const float *packed, float *tile, int add) {
    product(rows, wide, K, h, stride, 1, packed, wide * LANES, tile, wide * LANES, add);
}

/* Loops over the vectors of a tile of one gate, `wide` vectors in each row: `at` is the place in the tile, r the row,
   x the unit. */
#define FOR_VECTORS(at, r, x, rows, wide) \
    for (long at = 0, r = 0, x = 0; at < (rows) * (wide) * LANES; \
         at += LANES, x += LANES, r += x == (wide) * LANES, x = x == (wide) * LANES ? 0 : x)

/* dh [B, H] += tile, the gradient of the state before the window. */
static void add_tile(long rows, long wide, long H, const float *tile, float *dh) {
    FOR_VECTORS(at, r, x, rows, wide) store(dh + r * H + x, load(dh + r * H + x) + load(tile + at));
}

/* The row of x for a place, or with ids for its character. */
INLINE const float *input(const float *x, const int64_t *ids, long place, long width) {
    return x + (ids ? ids[place] : place) * width;
}

/* ---- lstm: gates i, f, g, o ------------------------------------------------------------------------------------ */

/* gates [T, B, 4 H] receives the gates. It may be x. */
int lstm_forward(long T, long B, long H, const float *x, const int64_t *ids, const float *b, const float *w, float *gates,
                 float *h, float *c, long threads) {
    float *packed = malloc(sizeof(float) * 4 * H * H);
    if (!packed) return 1;
    pack_transposed(packed, w, H, H, 4, threads);
    SHARE(B, threads)
        for (long t = 0; t < T; t++)
            for (long u = 0; u < H; u += LANES)
                FOR_PARTS(row, rows, FIRST(B), LAST(B), 4) {
                    Tile tile;
                    times(rows, 4, H, h + (t * B + row) * H, H, packed + u * 4 * H, tile, 0);
                    for (long r = 0; r < rows; r++) {
                        long place = t * B + row + r, before = place * H + u, now = before + B * H;
                        const float *in = input(x, ids, place, 4 * H) + u, *sums = tile + r * 4 * LANES, *bias = b + u;
                        float *own = gates + place * 4 * H + u;
                        vec i = sigmoid(load(in) + load(bias) + load(sums));
                        vec f = sigmoid(load(in + H) + load(bias + H) + load(sums + LANES));
                        vec g = hyperbolic(load(in + 2 * H) + load(bias + 2 * H) + load(sums + 2 * LANES));
                        vec o = sigmoid(load(in + 3 * H) + load(bias + 3 * H) + load(sums + 3 * LANES));
                        vec cell = f * load(c + before) + i * g;
                        store(own, i), store(own + H, f), store(own + 2 * H, g), store(own + 3 * H, o);
                        store(c + now, cell), store(h + now, o * hyperbolic(cell));
                    }
                }
    free(packed);
    return 0;
}

/* gates: in, the gates of lstm_forward; out, the gradients of U x + W h + b. dy [T, B, H]: the gradient of h_1 to h_T.
   dc [B, H]: in, the gradient of the last c; out, of the first c. dh [B, H]: in, zeros; out, the gradient of the first
   h. */
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
                        times(rows, wide, 4 * H, gates + ((t + 1) * B + row) * 4 * H, 4 * H, packed + u * 4 * H, tile, 0);
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

/* gates [T, B, 3 H] receives the gates. It may be x. inner [T, B, H] receives W_n h + c. */
int gru_forward(long T, long B, long H, const float *x, const int64_t *ids, const float *b, const float *w,
                const float *c, float *gates, float *inner, float *h, long threads) {
    float *packed = malloc(sizeof(float) * 3 * H * H);
    if (!packed) return 1;
    pack_transposed(packed, w, H, H, 3, threads);
    SHARE(B, threads)
        for (long t = 0; t < T; t++)
            for (long u = 0; u < H; u += LANES)
                FOR_PARTS(row, rows, FIRST(B), LAST(B), 3) {
                    Tile tile;
                    times(rows, 3, H, h + (t * B + row) * H, H, packed + u * 3 * H, tile, 0);
                    for (long i = 0; i < rows; i++) {
                        long place = t * B + row + i, before = place * H + u;
                        const float *in = input(x, ids, place, 3 * H) + u, *sums = tile + i * 3 * LANES, *bias = b + u;
                        float *own = gates + place * 3 * H + u;
                        vec r = sigmoid(load(in) + load(bias) + load(sums));
                        vec z = sigmoid(load(in + H) + load(bias + H) + load(sums + LANES));
                        vec within = load(sums + 2 * LANES) + load(c + u);
                        vec n = hyperbolic(load(in + 2 * H) + load(bias + 2 * H) + r * within);
                        store(own, r), store(own + H, z), store(own + 2 * H, n), store(inner + before, within);
                        store(h + before + B * H, n + z * (load(h + before) - n));
                    }
                }
    free(packed);
    return 0;
}

/* gates and inner: in, as gru_forward left them; out, the gradients before the gates, and that of W_n h + c. dh [B, H]:
   in, zeros; out, the gradient of the first h. */
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
                        times(rows, wide, 2 * H, gates + after * 3 * H, 3 * H, packed + u * 3 * H, tile, 0);
                        times(rows, wide, H, inner + after * H, H, w_n, tile, 1);
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

int rnn_forward(long T, long B, long H, const float *x, const int64_t *ids, const float *b, const float *w, float *h,
                long relu, long threads) {
    float *packed = malloc(sizeof(float) * H * H);
    if (!packed) return 1;
    pack_transposed(packed, w, H, H, 1, threads);
    SHARE(B, threads)
        for (long t = 0; t < T; t++)
            FOR_UNITS(u, wide, H)
                FOR_PARTS(row, rows, FIRST(B), LAST(B), GROUP) {
                    Tile tile;
                    times(rows, wide, H, h + (t * B + row) * H, H, packed + u * H, tile, 0);
                    FOR_VECTORS(at, r, i, rows, wide) {
                        long place = t * B + row + r;
                        vec a = load(input(x, ids, place, H) + u + i) + load(b + u + i) + load(tile + at);
                        if (relu) a = choose(a <= splat(0), splat(0), a);
                        else a = hyperbolic(a);
                        store(h + (place + B) * H + u + i, a);
                    }
                }
    free(packed);
    return 0;
}

/* dx [T, B, H] receives the gradient of U x + b. dh [B, H]: in, zeros; out, the gradient of the first h. */
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
                    if (t < T - 1) times(rows, wide, H, dx + ((t + 1) * B + row) * H, H, packed + u * H, tile, 0);
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

/* ---- products, gradients of weights, look-ups ------------------------------------------------------------------ */

/* y [N, M] = x w with x [N, K] and w [K, M]; if `transposed`, x w' with w [M, K]. */
int multiply(long N, long M, long K, const float *x, const float *w, long transposed, float *y, long threads) {
    float *packed = malloc(sizeof(float) * M * K);
    if (!packed) return 1;
    if (transposed) pack_transposed(packed, w, M, K, 1, threads);
    else pack(packed, w, K, M, threads);
    SHARE(N, threads)
        FOR_UNITS(u, wide, M)
            FOR_PARTS(row, rows, FIRST(N), LAST(N), GROUP)
                product(rows, wide, K, x + row * K, K, 1, packed + u * K, wide * LANES, y + row * M + u, M, 0);
    free(packed);
    return 0;
}

/* dw [M, K]: the sum over N of the outer products of the first M numbers of a row of dy [N, width] and a row of
   x [N, K]. AT_A_TIME rows are added to all of dw at a time, so that they stay in the cache. */
int sum_outer(long N, long M, long width, long K, const float *dy, const float *x, float *dw, long threads) {
    enum { AT_A_TIME = 512 };
    SHARE(M, threads)
        for (long n = 0, some; n < N; n += some) {
            some = N - n < AT_A_TIME ? N - n : AT_A_TIME;
            FOR_UNITS(u, wide, K)
                FOR_PARTS(row, rows, FIRST(M), LAST(M), GROUP)
                    product(rows, wide, some, dy + n * width + row, 1, width, x + n * K + u, K, dw + row * K + u, K, n > 0);
        }
    return 0;
}

/* Adds each row n of `rows` [N, W] to the row ids[n] of `to`. Each thread has some of the columns. */
int sum_rows(long N, long W, const int64_t *ids, const float *rows, float *to, long threads) {
    SHARE(W, threads)
        for (long n = 0; n < N; n++) {
            float *sums = to + ids[n] * W;
            for (long u = FIRST(W); u < LAST(W); u++) sums[u] += rows[n * W + u];
        }
    return 0;
}
