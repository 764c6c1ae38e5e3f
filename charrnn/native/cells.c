/* The recurrences of rnn, lstm and gru over a window, forward and backward.

   What does not depend on the state before, U x + b, has been computed for all time steps at once. Here each thread
   takes some rows of the batch through all of time: the product with W, and while its result is still in registers
   the gates. No thread waits for another, and W stays in the cache.

   T time steps, B rows, H units, a multiple of LANES. Matrices lie row by row; W is [gates * H, H].
   h and c are [T + 1, B, H], and begin with the state before the window. */

#include <stdlib.h>
#include <string.h>
#include "vectors.h"

#define GROUP 4 /* vectors of a tile, where there is one gate */

/* ---- the product of a few rows with a packed matrix ----------------------------------------------------------- */

/* A [K, gates * H] matrix as tiles [K][vectors][LANES], each read from beginning to end by `multiply`: one vector of
   every gate for the same units, or with one gate GROUP neighbours and what is left over one by one. */
static void pack(float *to, const float *from, long K, long H, int gates) {
    long vectors = H / LANES, u = 0;
    while (u < vectors) {
        int wide = gates > 1 ? gates : (u + GROUP <= vectors ? GROUP : 1);
        for (long k = 0; k < K; k++)
            for (int v = 0; v < wide; v++, to += LANES)
                memcpy(to, from + k * gates * H + (gates > 1 ? v * H + u * LANES : (u + v) * LANES), 4 * LANES);
        u += gates > 1 ? 1 : wide;
    }
}

/* acc[r][v] += sum over k of a[r][k] b[k][v]: R rows of A, `stride` apart. R and V are constants where it is used. */
INLINE void multiply(int R, int V, long K, const float *a, long stride, const float *b, vec (*acc)[GROUP]) {
    for (long k = 0; k < K; k++, b += V * LANES) {
        vec column[GROUP];
        UNROLL for (int v = 0; v < V; v++) column[v] = load(b + v * LANES);
        UNROLL for (int r = 0; r < R; r++) {
            vec x = splat(a[r * stride + k]);
            UNROLL for (int v = 0; v < V; v++) acc[r][v] += x * column[v];
        }
    }
}

INLINE void clear(int R, int V, vec (*acc)[GROUP]) {
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) acc[r][v] = splat(0);
}

/* CALL, in which R and V stand for the constants of a tile, for `rows` rows and V vectors. */
#define CASE(r, v, CALL) case r: if (r * v <= ACCUMULATORS) { enum { R = r, V = v }; CALL; } break;
#define FOR_ROWS(v, rows, CALL) \
    switch (rows) { \
        CASE(1, v, CALL) CASE(2, v, CALL) CASE(3, v, CALL) CASE(4, v, CALL) \
        CASE(5, v, CALL) CASE(6, v, CALL) CASE(7, v, CALL) CASE(8, v, CALL) \
    }
#define MOST_ROWS(v) (ACCUMULATORS / (v) > 8 ? 8 : ACCUMULATORS / (v))

/* The rows [first, last) in parts of nearly the same size, at most `most`. */
#define FOR_PARTS(row, rows, first, last, most) \
    for (long parts_ = ((last) - (first) + (most) - 1) / (most), part_ = 0, row, rows; \
         part_ < parts_ && (row = (first) + ((last) - (first)) * part_ / parts_, \
                            rows = (first) + ((last) - (first)) * (part_ + 1) / parts_ - row, 1); \
         part_++)

/* All units, GROUP vectors at a time and what is left one by one; `u` is the first unit. */
#define FOR_UNITS(u, H) \
    for (long u = 0, wide; u < (H) && (wide = u + GROUP * LANES <= (H) ? GROUP : 1); u += wide * LANES)
#define FOR_TILE(rows, CALL) if (wide == GROUP) { FOR_ROWS(GROUP, rows, CALL) } else { FOR_ROWS(1, rows, CALL) }

/* ---- lstm: gates i, f, g, o ------------------------------------------------------------------------------------ */

typedef struct {
    long H;
    const float *before; /* h of the time step before, [rows, H] */
    const float *w;      /* the packed tile */
    float *gates, *h, *c;
    const float *c_before;
} LstmTile;

INLINE void lstm_tile(int R, LstmTile s) {
    vec acc[8][GROUP];
    clear(R, 4, acc);
    multiply(R, 4, s.H, s.before, s.H, s.w, acc);
    UNROLL for (int r = 0; r < R; r++) {
        float *g = s.gates + r * 4 * s.H;
        vec i = sigmoid(acc[r][0] + load(g)), f = sigmoid(acc[r][1] + load(g + s.H));
        vec n = hyperbolic(acc[r][2] + load(g + 2 * s.H)), o = sigmoid(acc[r][3] + load(g + 3 * s.H));
        vec c = f * load(s.c_before + r * s.H) + i * n;
        store(g, i), store(g + s.H, f), store(g + 2 * s.H, n), store(g + 3 * s.H, o);
        store(s.c + r * s.H, c);
        store(s.h + r * s.H, o * hyperbolic(c));
    }
}

/* gates [T, B, 4 H]: U x + b before, the gates after. wt: W transposed, [H, 4 H]. */
int lstm_forward(long T, long B, long H, float *gates, const float *wt, float *h, float *c, long threads) {
    float *packed = malloc(sizeof(float) * 4 * H * H);
    if (!packed) return 1;
    pack(packed, wt, H, H, 4);
    SHARE(B, threads) {
        long first = FIRST(B), last = LAST(B);
        for (long t = 0; t < T; t++)
            for (long u = 0; u < H; u += LANES)
                FOR_PARTS(row, rows, first, last, MOST_ROWS(4)) {
                    long at = t * B + row;
                    LstmTile s = {H, h + at * H, packed + u * 4 * H, gates + at * 4 * H + u,
                                  h + (at + B) * H + u, c + (at + B) * H + u, c + at * H + u};
                    FOR_ROWS(4, rows, lstm_tile(R, s))
                }
    }
    free(packed);
    return 0;
}

/* What reaches h_t from h_{t+1}: the gradients before the gates of t + 1, times W. */
typedef struct {
    long H, K, stride;       /* K numbers of a row of `after`, rows `stride` apart */
    const float *after;      /* null at the window's end */
    const float *w;
    long K2;                 /* and K2 of a row of `after2`, rows H apart (gru) */
    const float *after2;
} Flow;

INLINE void flow(int R, int V, Flow s, vec (*acc)[GROUP]) {
    clear(R, V, acc);
    if (!s.after) return;
    multiply(R, V, s.K, s.after, s.stride, s.w, acc);
    if (s.K2) multiply(R, V, s.K2, s.after2, s.H, s.w + s.K * V * LANES, acc);
}

typedef struct {
    float *gates, *dc;
    const float *dy, *c, *c_before;
} LstmBack;

INLINE void lstm_back(int R, int V, Flow s, LstmBack p) {
    vec acc[8][GROUP];
    long H = s.H;
    flow(R, V, s, acc);
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) {
        long at = r * H + v * LANES;
        float *g = p.gates + r * 4 * H + v * LANES;
        vec i = load(g), f = load(g + H), n = load(g + 2 * H), o = load(g + 3 * H);
        vec dh = acc[r][v] + load(p.dy + at), squashed = hyperbolic(load(p.c + at));
        vec dc = load(p.dc + at) + dh * o * (1.0f - squashed * squashed);
        store(p.dc + at, dc * f);
        store(g, dc * n * i * (1.0f - i));
        store(g + H, dc * load(p.c_before + at) * f * (1.0f - f));
        store(g + 2 * H, dc * i * (1.0f - n * n));
        store(g + 3 * H, dh * squashed * o * (1.0f - o));
    }
}

INLINE void plain_back(int R, int V, Flow s, float *dh) {
    vec acc[8][GROUP];
    flow(R, V, s, acc);
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) {
        float *to = dh + r * s.H + v * LANES;
        store(to, load(to) + acc[r][v]);
    }
}

/* gates: as lstm_forward left them, and after this the gradients before the gates. dy [T, B, H]: the gradient of
   h_1 to h_T. dc [B, H]: that of the last c, and after this of the first; dh [B, H]: zeros, and after this the
   gradient of the first h. w [4 H, H]. */
int lstm_backward(long T, long B, long H, float *gates, const float *w, const float *c, const float *dy, float *dh,
                  float *dc, long threads) {
    float *packed = malloc(sizeof(float) * 4 * H * H);
    if (!packed) return 1;
    pack(packed, w, 4 * H, H, 1);
    SHARE(B, threads) {
        long first = FIRST(B), last = LAST(B);
        for (long t = T - 1; t >= -1; t--)
            FOR_UNITS(u, H)
                FOR_PARTS(row, rows, first, last, MOST_ROWS(GROUP)) {
                    long at = t * B + row;
                    Flow s = {H, 4 * H, 4 * H, t + 1 < T ? gates + (at + B) * 4 * H : 0, packed + u * 4 * H, 0, 0};
                    if (t < 0) {
                        FOR_TILE(rows, plain_back(R, V, s, dh + row * H + u))
                        continue;
                    }
                    LstmBack p = {gates + at * 4 * H + u, dc + row * H + u, dy + at * H + u, c + (at + B) * H + u,
                                  c + at * H + u};
                    FOR_TILE(rows, lstm_back(R, V, s, p))
                }
    }
    free(packed);
    return 0;
}

/* ---- gru: gates r, z, n ----------------------------------------------------------------------------------------- */

typedef struct {
    long H;
    const float *before, *w, *bias, *h_before;
    float *gates, *inner, *h;
} GruTile;

INLINE void gru_tile(int R, GruTile s) {
    vec acc[8][GROUP];
    clear(R, 3, acc);
    multiply(R, 3, s.H, s.before, s.H, s.w, acc);
    UNROLL for (int r = 0; r < R; r++) {
        float *g = s.gates + r * 3 * s.H;
        vec inner = acc[r][2] + load(s.bias);
        vec reset = sigmoid(acc[r][0] + load(g)), z = sigmoid(acc[r][1] + load(g + s.H));
        vec n = hyperbolic(load(g + 2 * s.H) + reset * inner);
        store(g, reset), store(g + s.H, z), store(g + 2 * s.H, n);
        store(s.inner + r * s.H, inner);
        store(s.h + r * s.H, n + z * (load(s.h_before + r * s.H) - n));
    }
}

/* gates [T, B, 3 H]: U x + b before, the gates after. inner [T, B, H]: W_n h + c. wt [H, 3 H]; bias [H]: c. */
int gru_forward(long T, long B, long H, float *gates, const float *wt, const float *bias, float *inner, float *h,
                long threads) {
    float *packed = malloc(sizeof(float) * 3 * H * H);
    if (!packed) return 1;
    pack(packed, wt, H, H, 3);
    SHARE(B, threads) {
        long first = FIRST(B), last = LAST(B);
        for (long t = 0; t < T; t++)
            for (long u = 0; u < H; u += LANES)
                FOR_PARTS(row, rows, first, last, MOST_ROWS(3)) {
                    long at = t * B + row;
                    GruTile s = {H, h + at * H, packed + u * 3 * H, bias + u, h + at * H + u,
                                 gates + at * 3 * H + u, inner + at * H + u, h + (at + B) * H + u};
                    FOR_ROWS(3, rows, gru_tile(R, s))
                }
    }
    free(packed);
    return 0;
}

typedef struct {
    float *gates, *inner, *dh;
    const float *dy, *h_before;
} GruBack;

INLINE void gru_back(int R, int V, Flow s, GruBack p) {
    vec acc[8][GROUP];
    long H = s.H;
    flow(R, V, s, acc);
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) {
        long at = r * H + v * LANES;
        float *g = p.gates + r * 3 * H + v * LANES;
        vec reset = load(g), z = load(g + H), n = load(g + 2 * H);
        vec dh = acc[r][v] + load(p.dy + at) + load(p.dh + at);
        vec dn = dh * (1.0f - z) * (1.0f - n * n);
        store(p.dh + at, dh * z);
        store(g, dn * load(p.inner + at) * reset * (1.0f - reset));
        store(g + H, dh * (load(p.h_before + at) - n) * z * (1.0f - z));
        store(g + 2 * H, dn);
        store(p.inner + at, dn * reset);
    }
}

/* gates and inner: as gru_forward left them, and after this their gradients (before the gates). dh [B, H]: zeros, and
   after this the gradient of the first h. w [3 H, H]. */
int gru_backward(long T, long B, long H, float *gates, float *inner, const float *w, const float *h, const float *dy,
                 float *dh, long threads) {
    float *packed = malloc(sizeof(float) * 3 * H * H);
    if (!packed) return 1;
    pack(packed, w, 3 * H, H, 1);
    SHARE(B, threads) {
        long first = FIRST(B), last = LAST(B);
        for (long t = T - 1; t >= -1; t--)
            FOR_UNITS(u, H)
                FOR_PARTS(row, rows, first, last, MOST_ROWS(GROUP)) {
                    long at = t * B + row;
                    Flow s = {H, 2 * H, 3 * H, t + 1 < T ? gates + (at + B) * 3 * H : 0, packed + u * 3 * H, H,
                              inner + (at + B) * H};
                    if (t < 0) {
                        FOR_TILE(rows, plain_back(R, V, s, dh + row * H + u))
                        continue;
                    }
                    GruBack p = {gates + at * 3 * H + u, inner + at * H + u, dh + row * H + u, dy + at * H + u,
                                 h + at * H + u};
                    FOR_TILE(rows, gru_back(R, V, s, p))
                }
    }
    free(packed);
    return 0;
}

/* ---- rnn -------------------------------------------------------------------------------------------------------- */

INLINE void rnn_tile(int R, int V, Flow s, float *h, const float *x, int relu) {
    vec acc[8][GROUP];
    flow(R, V, s, acc);
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) {
        vec a = acc[r][v] + load(x + r * s.H + v * LANES);
        if (relu) a = choose(a <= splat(0), splat(0), a);
        else a = hyperbolic(a);
        store(h + r * s.H + v * LANES, a);
    }
}

/* x [T, B, H]: U x + b. wt [H, H]. */
int rnn_forward(long T, long B, long H, const float *x, const float *wt, float *h, long relu, long threads) {
    float *packed = malloc(sizeof(float) * H * H);
    if (!packed) return 1;
    pack(packed, wt, H, H, 1);
    SHARE(B, threads) {
        long first = FIRST(B), last = LAST(B);
        for (long t = 0; t < T; t++)
            FOR_UNITS(u, H)
                FOR_PARTS(row, rows, first, last, MOST_ROWS(GROUP)) {
                    long at = t * B + row;
                    Flow s = {H, H, H, h + at * H, packed + u * H, 0, 0};
                    FOR_TILE(rows, rnn_tile(R, V, s, h + (at + B) * H + u, x + at * H + u, (int)relu))
                }
    }
    free(packed);
    return 0;
}

INLINE void rnn_back(int R, int V, Flow s, float *dx, const float *h, const float *dy, int relu) {
    vec acc[8][GROUP];
    flow(R, V, s, acc);
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) {
        long at = r * s.H + v * LANES;
        vec d = acc[r][v] + load(dy + at), y = load(h + at);
        if (relu) store(dx + at, choose(y > splat(0), d, splat(0)));
        else store(dx + at, d * (1.0f - y * y));
    }
}

/* dx [T, B, H]: the gradients of U x + b. dh [B, H]: zeros, and after this the gradient of the first h. w [H, H]. */
int rnn_backward(long T, long B, long H, float *dx, const float *w, const float *h, const float *dy, float *dh,
                 long relu, long threads) {
    float *packed = malloc(sizeof(float) * H * H);
    if (!packed) return 1;
    pack(packed, w, H, H, 1);
    SHARE(B, threads) {
        long first = FIRST(B), last = LAST(B);
        for (long t = T - 1; t >= -1; t--)
            FOR_UNITS(u, H)
                FOR_PARTS(row, rows, first, last, MOST_ROWS(GROUP)) {
                    long at = t * B + row;
                    Flow s = {H, H, H, t + 1 < T ? dx + (at + B) * H : 0, packed + u * H, 0, 0};
                    if (t < 0) {
                        FOR_TILE(rows, plain_back(R, V, s, dh + row * H + u))
                        continue;
                    }
                    FOR_TILE(rows, rnn_back(R, V, s, dx + at * H + u, h + (at + B) * H + u, dy + at * H + u, (int)relu))
                }
    }
    free(packed);
    return 0;
}
