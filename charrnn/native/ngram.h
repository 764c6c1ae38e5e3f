/* The look-ups of an n-gram (charrnn/models/ngram.py).

   The continuations of a context h of m characters are the entries begin[m][h] to begin[m][h + 1] of next[m] and own[m],
   by character; the index of an entry is the rank of the longer context h w. A context that was not seen is -1. */
#ifndef NGRAM_H
#define NGRAM_H

#include <math.h>
#include <stdint.h>

typedef struct {
    int64_t order, vocabulary;
    const int32_t *begin[8], *next[8];
    const float *own[8], *gamma[8];
    const float *ln_p1; /* [vocabulary] */
    const float *trust; /* [order][2]: the powers of a network and of the n-gram, by the length of the known context */
} Counts;

/* A text reads one character; ranks is [order - 1], the contexts of 1, 2, ... characters. */
static inline void count_one(const Counts *c, int32_t *ranks, int64_t id) {
    for (int64_t m = c->order - 2; m >= 1; m--) {
        int32_t h = ranks[m - 1], found = -1;
        if (h >= 0) {
            int32_t low = c->begin[m][h], high = c->begin[m][h + 1], end = high;
            while (low < high) {
                int32_t middle = low + (high - low) / 2;
                if (c->next[m][middle] < id) low = middle + 1;
                else high = middle;
            }
            if (low < end && c->next[m][low] == id) found = low;
        }
        ranks[m] = found;
    }
    if (c->order > 1) ranks[0] = (int32_t)id;
}

/* The length of the longest context that something followed in the text. */
static inline int64_t longest_known(const Counts *c, const int32_t *ranks) {
    int64_t known = 0;
    for (int64_t m = 1; m < c->order; m++)
        if (ranks[m - 1] >= 0) known += c->gamma[m][ranks[m - 1]] < 1;
    return known;
}

/* y = a y + b ln p. Most characters have only the last term of the n-gram's sum, whose logarithm is known. `seen` is
   [vocabulary], and zeros before and after. */
static inline void counted(const Counts *c, const int32_t *ranks, float *y, float a, float b, float *seen) {
    float left = 1;
    for (int64_t m = c->order - 1; m >= 1; m--) {
        int32_t h = ranks[m - 1];
        if (h < 0) continue;
        for (int32_t i = c->begin[m][h]; i < c->begin[m][h + 1]; i++) seen[c->next[m][i]] += c->own[m][i] * left;
        left *= c->gamma[m][h];
    }
    float ln_left = logf(left);
    for (int64_t j = 0; j < c->vocabulary; j++) y[j] = a * y[j] + b * (c->ln_p1[j] + ln_left);
    for (int64_t m = 1; m < c->order; m++) {
        int32_t h = ranks[m - 1];
        if (h < 0) continue;
        for (int32_t i = c->begin[m][h]; i < c->begin[m][h + 1]; i++) {
            int32_t w = c->next[m][i];
            if (seen[w] == 0) continue;
            float rest = ln_left + c->ln_p1[w];
            y[w] += b * (logf(expf(rest) + seen[w]) - rest);
            seen[w] = 0;
        }
    }
}

#endif
