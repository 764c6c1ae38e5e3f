/* ln p of an n-gram for many contexts, in threads (charrnn/models/fast/counting.py). */
#include <stdlib.h>

#include "ngram.h"

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
