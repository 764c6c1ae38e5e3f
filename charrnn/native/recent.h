/* What was read lately (charrnn/models/recent.py has the equation).

   `last` is [length], the last characters up to now, -1 where there were none. A place is one of them that a character
   follows, and not the end of a text. Its context is as long as the run of characters that ends with it and is how the
   text ends now. */
#ifndef RECENT_H
#define RECENT_H

#include <math.h>
#include <stdint.h>

#define ORDERS 8

/* Room for the work on one place. */
typedef struct {
    uint8_t *match; /* [length], the order up to which each place counts */
    uint8_t *best;  /* [vocabulary], the longest order in which each character came; zeros before and after */
    int32_t *came;  /* [length], the different characters that came */
    float *share;   /* [vocabulary], zeros before and after */
} Recent;

/* y = ln p by what was read lately, from ln p by the n-gram. */
static inline void recently(const int32_t *last, int64_t length, int64_t order, int64_t vocabulary, const float *ln_p,
                            float *y, const Recent *own) {
    const int32_t *now = last + length - 1;
    int64_t places[ORDERS + 1] = {0}, different[ORDERS + 1] = {0}, all = 0;
    for (int64_t j = 0; j < length - 1; j++) own->match[j] = last[j] == *now;
    for (int64_t j = 0; j < length - 1; j++) {
        int64_t m = own->match[j], w = last[j + 1];
        own->match[j] = 0;
        if (last[j] < 0 || w < 0 || w == vocabulary - 1) continue;
        if (m)
            while (m < order - 1 && m <= j && last[j - m] >= 0 && last[j - m] == now[-m]) m++;
        m = m < order ? m + 1 : order; /* a context of m characters counts in the orders up to m + 1 */
        own->match[j] = (uint8_t)m;
        places[m]++;
        if (!own->best[w]) own->came[all++] = (int32_t)w;
        if (m > own->best[w]) own->best[w] = (uint8_t)m;
    }
    for (int64_t i = 0; i < all; i++) {
        different[own->best[own->came[i]]]++;
        own->best[own->came[i]] = 0;
    }
    float gain[ORDERS + 1] = {0}, left = 1;
    for (int64_t m = order, c = 0, n = 0; m >= 1; m--) {
        c += places[m];
        n += different[m];
        if (!c) continue;
        gain[m] = left / (c + n);
        left *= (float)n / (c + n);
    }
    for (int64_t m = 1; m <= order; m++) gain[m] += gain[m - 1];
    for (int64_t j = 0; j < length - 1; j++)
        if (own->match[j]) own->share[last[j + 1]] += gain[own->match[j]];
    float ln_left = logf(left);
    for (int64_t w = 0; w < vocabulary; w++) y[w] = ln_p[w] + ln_left;
    for (int64_t i = 0; i < all; i++) {
        int32_t w = own->came[i];
        y[w] = logf(expf(y[w]) + own->share[w]);
        own->share[w] = 0;
    }
}

#endif
