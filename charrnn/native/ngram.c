/* ln p of an n-gram for many contexts, and what was read lately at many places, in threads
   (charrnn/models/fast/counting.py). */
#include <stdlib.h>

#include "ngram.h"
#include "recent.h"

/* ranks is [rows][order - 1], y is [rows][vocabulary]. Gives 0 where there is no memory. */
int64_t ngram_ln_p(const Counts *c, int64_t rows, const int32_t *ranks, float *y) {
    int64_t whole = 1;
#pragma omp parallel
    {
        float *seen = calloc(c->vocabulary, sizeof *seen);
        if (!seen) {
#pragma omp atomic write
            whole = 0;
        }
#pragma omp for
        for (int64_t row = 0; row < rows; row++)
            if (seen) counted(c, ranks + row * (c->order - 1), y + row * c->vocabulary, 0, 1, seen);
        free(seen);
    }
    return whole;
}

/* last is [rows][length], ln_p that by the n-gram, [rows][vocabulary]; y becomes that by what was read lately. Gives 0
   where there is no memory. */
int64_t recent_ln_p(const int32_t *last, int64_t rows, int64_t length, int64_t order, int64_t vocabulary,
                    const float *ln_p, float *y) {
    int64_t whole = 1;
#pragma omp parallel
    {
        float *share = calloc(vocabulary, sizeof *share);
        int32_t *came = calloc(length, sizeof *came);
        uint8_t *match = calloc(length + vocabulary, 1);
        Recent room = {match, match + length, came, share};
        int ready = share && came && match;
        if (!ready) {
#pragma omp atomic write
            whole = 0;
        }
#pragma omp for
        for (int64_t row = 0; row < rows; row++) {
            if (!ready) continue;
            const float *given = ln_p + row * vocabulary;
            recently(last + row * length, length, order, vocabulary, given, y + row * vocabulary, &room);
        }
        free(share);
        free(came);
        free(match);
    }
    return whole;
}
