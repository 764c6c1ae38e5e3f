/* Writing: the operations of a plan (charrnn/generation/fast/plan.py), the draw, and the loop over characters.

   The rows of a call are texts that are written side by side. A register has a vector for each row. Each part of a
   vector is padded to whole `vec`s with zeros, and the weights for the padding are zeros. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "ngram.h"
#include "vectors.h"

/* A matrix is cut into panels of PANEL vecs of columns, each stored row after row, so that a step reads the weights
   once and in order. A tile is ROWS texts times a panel. Its sums stay in registers: AVX2 has 16 of 8 floats, NEON 32
   of 4 floats, AVX-512 32 of 16 floats. The last columns are in panels of one vec. */
#ifdef __AVX512F__
#define PANEL 4
#define ROWS 6
#else
#define PANEL 2
#define ROWS 3
#endif

enum { EMBED, SLIDE, MATRIX, MORE, ADD, COPY, RELU, TANH, LSTM, GRU, MINGRU, MINLSTM, LAYER, RMS };

typedef struct {
    int64_t kind;
    int64_t width;   /* floats of one part, without padding */
    int64_t in, out; /* floats of a row of `of` and of `into`, with padding */
    float *into, *of, *also;
    const float *weight, *bias;
} Op;

int64_t sampling_panel(void) { return PANEL * LANES; }

INLINE void tile(int rows, int vecs, int64_t k_end, const float *x, int64_t in, const float *w, const float *bias,
                 float *y, int64_t out, int more) {
    vec sum[ROWS][PANEL];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vecs; v++)
            sum[r][v] = more ? load(y + r * out + v * LANES) : bias ? load(bias + v * LANES) : splat(0);
    for (int64_t k = 0; k < k_end; k++, w += vecs * LANES)
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vecs; v++) sum[r][v] += x[r * in + k] * load(w + v * LANES);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vecs; v++) store(y + r * out + v * LANES, sum[r][v]);
}

/* into = of W' + bias; with `more`, into += of W' */
static void matrix(const Op *op, int64_t rows, int more) {
    const float *w = op->weight;
    for (int64_t column = 0; column < op->out;) {
        int wide = column + PANEL * LANES <= op->out;
        for (int64_t row = 0; row < rows; row += ROWS) {
            const float *x = op->of + row * op->in, *bias = op->bias ? op->bias + column : 0;
            float *y = op->into + row * op->out + column;
#define TILE(R)                                                                        \
    case R:                                                                            \
        if (wide) tile(R, PANEL, op->in, x, op->in, w, bias, y, op->out, more);        \
        else tile(R, 1, op->in, x, op->in, w, bias, y, op->out, more);                 \
        break;
            switch (rows - row) {
                TILE(1)
                TILE(2)
#if ROWS > 3
                TILE(3)
                TILE(4)
                TILE(5)
#endif
            default:
                if (wide) tile(ROWS, PANEL, op->in, x, op->in, w, bias, y, op->out, more);
                else tile(ROWS, 1, op->in, x, op->in, w, bias, y, op->out, more);
            }
        }
        int64_t columns = wide ? PANEL * LANES : LANES;
        w += columns * op->in;
        column += columns;
    }
}

/* An operation on one text, with n numbers in each part. `numpy_way.py` has the same in NumPy. */
INLINE void cell(int64_t kind, const Op *op, int64_t row) {
    int64_t n = op->out;
    float *y = op->into + row * n;
    const float *x = op->of ? op->of + row * op->in : 0;
    for (int64_t j = 0; j < n; j += LANES) {
        const float *a = x + j;
        float *c = op->also ? op->also + row * n + j : 0; /* for gru, `also` is the gates of h instead */
        switch (kind) {
        case ADD: store(y + j, load(y + j) + load(a)); break;
        case RELU: store(y + j, larger(load(y + j), splat(0))); break;
        case TANH: store(y + j, hyperbolic(load(y + j))); break;
        case LSTM:
            store(c, sigmoid(load(a + n)) * load(c) + sigmoid(load(a)) * hyperbolic(load(a + 2 * n)));
            store(y + j, sigmoid(load(a + 3 * n)) * hyperbolic(load(c)));
            break;
        case GRU: {
            const float *h = op->also + row * op->in + j;
            vec z = sigmoid(load(a + n) + load(h + n));
            vec new = hyperbolic(load(a + 2 * n) + sigmoid(load(a) + load(h)) * load(h + 2 * n));
            store(y + j, new + z * (load(y + j) - new));
            break;
        }
        case MINGRU:
        case MINLSTM: {
            vec keep = sigmoid(load(a + 2 * n));
            if (kind == MINLSTM) keep = keep / (keep + sigmoid(load(a + 3 * n)));
            store(c, load(a) + keep * (load(c) - load(a)));
            store(y + j, load(c) * load(a + n) * sigmoid(load(a + n)));
            break;
        }
        }
    }
}

static void norm(const Op *op, int64_t row) {
    const float *x = op->of + row * op->in;
    float *y = op->into + row * op->out, mean = 0, square = 0;
    if (op->kind == LAYER)
        for (int64_t j = 0; j < op->width; j++) mean += x[j] / op->width;
    for (int64_t j = 0; j < op->width; j++) square += (x[j] - mean) * (x[j] - mean);
    float scale = 1.0f / sqrtf(square / op->width + (op->kind == LAYER ? 1e-5f : 1.1920929e-7f));
    for (int64_t j = 0; j < op->width; j++)
        y[j] = (x[j] - mean) * scale * op->weight[j] + (op->bias ? op->bias[j] : 0);
}

/* Each text reads one character; ids is [rows]. */
static void apply(const Op *ops, int64_t count, int64_t rows, const int64_t *ids) {
    for (const Op *op = ops; op < ops + count; op++) {
        if (op->kind == MATRIX || op->kind == MORE) {
            matrix(op, rows, op->kind == MORE);
            continue;
        }
        for (int64_t row = 0; row < rows; row++) {
            float *y = op->into + row * op->out;
            switch (op->kind) {
            case EMBED: memcpy(y, op->weight + ids[row] * op->out, op->out * sizeof *y); break;
            case SLIDE: /* here `in` is the width of one character */
                memmove(y, y + op->in, (op->out - op->in) * sizeof *y);
                memcpy(y + op->out - op->in, op->weight + ids[row] * op->in, op->in * sizeof *y);
                break;
            case COPY: memcpy(y, op->of + row * op->out, op->out * sizeof *y); break;
            case LAYER:
            case RMS: norm(op, row); break;
#define CELL(K) \
    case K: cell(K, op, row); break;
                CELL(ADD)
                CELL(RELU)
                CELL(TANH)
                CELL(LSTM)
                CELL(GRU)
                CELL(MINGRU)
                CELL(MINLSTM)
            }
        }
    }
}

/* logits = a ln p of the network + b ln p of the n-gram, with the powers of the context that is known. `seen` has room for
   all logits, and is zeros before and after. */
static void mix(const Counts *c, int64_t rows, const int32_t *ranks, float *logits, int64_t padded, float *seen) {
    for (int64_t row = 0; row < rows; row++, ranks += c->order - 1, logits += padded) {
        int64_t known = longest_known(c, ranks);
        counted(c, ranks, logits, c->trust[2 * known], c->trust[2 * known + 1], seen);
    }
}

/* Each text reads `length` characters, ids is [length][rows]. The logits are those after the last one. `counts` may be
   null. */
void sampling_step(const Op *ops, int64_t count, int64_t rows, int64_t length, const int64_t *ids, float *logits,
                   int64_t padded, const Counts *counts, int32_t *ranks, float *seen) {
    for (int64_t k = 0; k < length; k++, ids += rows) {
        apply(ops, k < length - 1 ? count - 1 : count, rows, ids); /* the last operation gives the logits */
        for (int64_t row = 0; counts && row < rows; row++) count_one(counts, ranks + row * (counts->order - 1), ids[row]);
    }
    if (counts) mix(counts, rows, ranks, logits, padded, seen);
}

INLINE float largest(const float *x, int64_t n) {
    vec most = load(x);
    for (int64_t j = LANES; j < n; j += LANES) most = larger(most, load(x + j));
    float found = most[0];
    for (int i = 1; i < LANES; i++) found = most[i] > found ? most[i] : found;
    return found;
}

/* Draws one character: the one with the smallest race / p, where p includes the temperature (filters.draw). Padding of
   the logits has probability 0. `scratch` has room for all logits with their padding. */
static int64_t draw(const float *logits, int64_t vocabulary, int64_t padded, float temperature, const int64_t *never,
                    int64_t nevers, const double *race, float *scratch, float *gained) {
    vec total = splat(0);
    float most = largest(logits, padded);
    for (int64_t j = 0; j < padded; j += LANES) total += exponential(load(logits + j) - most);
    memcpy(scratch, logits, padded * sizeof *scratch);
    for (int64_t j = 0; j < nevers; j++) scratch[never[j]] = -1e30f;
    float most_allowed = largest(scratch, padded);
    int64_t best = 0;
    if (temperature == 0) {
        while (best < vocabulary - 1 && scratch[best] != most_allowed) best++;
    } else {
        float scale = 1.0f / temperature;
        for (int64_t j = 0; j < padded; j += LANES)
            store(scratch + j, exponential((load(scratch + j) - most_allowed) * scale));
        for (int64_t j = 0; j < nevers; j++) scratch[never[j]] = -1;
        double first = -1;
        for (int64_t j = 0; j < vocabulary; j++)
            if (scratch[j] > first * race[j]) best = j, first = scratch[j] / race[j];
    }
    *gained = logits[best] - most - logf(sum(total));
    return best;
}

/* Draws and reads `length` characters in each row. temperature is [rows], and race is [rows][length][vocabulary].
   chosen and gained are [length][stride]; this call fills their first `rows` columns. `counts` may be null. */
void sampling_write(const Op *ops, int64_t count, int64_t rows, int64_t length, float *logits, int64_t vocabulary,
                    int64_t padded, const float *temperature, const int64_t *never, int64_t nevers, const double *race,
                    float *scratch, int64_t *chosen, float *gained, int64_t stride, const Counts *counts,
                    int32_t *ranks, float *seen) {
    for (int64_t k = 0; k < length; k++, chosen += stride, gained += stride) {
        for (int64_t row = 0; row < rows; row++)
            chosen[row] = draw(logits + row * padded, vocabulary, padded, temperature[row], never, nevers,
                               race + (row * length + k) * vocabulary, scratch, gained + row);
        sampling_step(ops, count, rows, 1, chosen, logits, padded, counts, ranks, seen);
    }
}

/* Reads n floats (a multiple of 8 vecs) `times` times as fast as possible: a limit, for benchmarks/sampling.py. */
float sampling_read(const float *x, int64_t n, int64_t times) {
    vec s[8] = {};
    for (int64_t t = 0; t < times; t++) {
        for (int64_t j = 0; j < n; j += 8 * LANES)
            for (int i = 0; i < 8; i++) s[i] += load(x + j + i * LANES);
        __asm__ volatile("" ::: "memory"); /* so that each pass reads again */
    }
    return sum(s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7]);
}
