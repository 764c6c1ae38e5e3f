/* Included by parallel.c once for each type of numbers, REAL. */

#define EPSILON 1.1920929e-7f /* that of nn.RMSNorm */

/* z_t = x_t / rms(x_t) * scale, and pairs [T, B, 2 H]: z_{t-1} beside z_t. `last` [B, H]: the z before the window,
   and after this the last of it. inverse [T, B]: 1 / rms. Without scale z = x. */
void NAME(pair_forward)(long T, long B, long H, const float *x, const float *scale, float *last, REAL *pairs,
                        float *inverse, long threads) {
    SHARE(B, threads) {
        for (long t = 0; t < T; t++)
            for (long b = FIRST(B); b < LAST(B); b++) {
                long row = t * B + b;
                const float *in = x + row * H;
                REAL *out = pairs + row * 2 * H + H, *next = out + B * 2 * H - H;
                float by = 1;
                if (scale) {
                    vec squares = splat(0);
                    for (long u = 0; u < H; u += LANES) squares += load(in + u) * load(in + u);
                    by = inverse[row] = 1 / sqrtf(sum(squares) / (float)H + EPSILON);
                }
                for (long u = 0; u < H; u += LANES) {
                    vec z = load(in + u) * by;
                    if (scale) z *= load(scale + u);
                    if (t == 0) PUT(out - H + u, load(last + b * H + u));
                    PUT(out + u, z);
                    if (t + 1 < T) PUT(next + u, z);
                    else store(last + b * H + u, z);
                }
            }
    }
}

/* dpairs: the gradient of pairs; dx: that of x from elsewhere, to which what comes from the pairs is added. dlast
   [B, H]: that of the last z, and after this of the z before the window. dscale [threads, H]: zeros, and after this
   sums, one for each thread. */
void NAME(pair_backward)(long T, long B, long H, const float *x, const float *scale, const float *inverse,
                         const REAL *dpairs, float *dx, float *dlast, float *dscale, long threads) {
    SHARE(B, threads) {
        float *sums = dscale + share * H;
        for (long b = FIRST(B); b < LAST(B); b++)
            for (long t = 0; t < T; t++) {
                long row = t * B + b;
                const REAL *now = dpairs + row * 2 * H + H, *next = now + B * 2 * H - H;
                float *out = dx + row * H;
                const float *in = x + row * H;
                float by = scale ? inverse[row] : 1, mean = 0;
                if (scale) {
                    vec along = splat(0);
                    for (long u = 0; u < H; u += LANES) {
                        vec dz = GET(now + u) + (t + 1 < T ? GET(next + u) : load(dlast + b * H + u));
                        vec whitened = load(in + u) * by;
                        along += dz * load(scale + u) * whitened;
                        store(sums + u, load(sums + u) + dz * whitened);
                    }
                    mean = sum(along) / (float)H;
                }
                for (long u = 0; u < H; u += LANES) {
                    vec dz = GET(now + u) + (t + 1 < T ? GET(next + u) : load(dlast + b * H + u));
                    if (scale) dz = (dz * load(scale + u) - load(in + u) * (by * mean)) * by;
                    store(out + u, load(out + u) + dz);
                }
            }
        for (long b = FIRST(B); b < LAST(B); b++)
            for (long u = 0; u < H; u += LANES) store(dlast + b * H + u, GET(dpairs + b * 2 * H + u));
    }
}

/* The forget gate of some units, or with an input gate beside it (minLSTM) f / (f + i). */
INLINE vec NAME(forget)(long gates, const REAL *p, const float *bias, long H) {
    vec f = sigmoid(GET(p + 2 * H) + load(bias + 2 * H));
    if (gates == 4) f = f / (f + sigmoid(GET(p + 3 * H) + load(bias + 3 * H)));
    return f;
}

/* products [T, B, gates * H]: W z, of v, r, f (and i); bias [gates * H]. h_t = f h_{t-1} + (1 - f) v and
   u_t = h_t silu(r). h [T + 1, B, H] begins with the state before the window. */
void NAME(mix_forward)(long T, long B, long H, long gates, const REAL *products, const float *bias, float *h, REAL *u,
                       long threads) {
    SHARE(B, threads) {
        for (long t = 0; t < T; t++)
            for (long b = FIRST(B); b < LAST(B); b++) {
                long row = t * B + b;
                const REAL *p = products + row * gates * H;
                for (long i = 0; i < H; i += LANES) {
                    vec v = GET(p + i) + load(bias + i), r = GET(p + H + i) + load(bias + H + i);
                    vec f = NAME(forget)(gates, p + i, bias + i, H);
                    vec state = v + f * (load(h + row * H + i) - v);
                    store(h + (row + B) * H + i, state);
                    PUT(u + row * H + i, state * r * sigmoid(r));
                }
            }
    }
}

/* products: as they were, and after this their gradients. du [T, B, H]. dh [B, H]: the gradient of the last state, and
   after this of the one before the window. dbias [threads, gates * H]: zeros, and after this sums, one a thread. */
void NAME(mix_backward)(long T, long B, long H, long gates, REAL *products, const float *bias, const float *h,
                        const REAL *du, float *dh, float *dbias, long threads) {
    SHARE(B, threads) {
        float *sums = dbias + share * gates * H;
        for (long t = T - 1; t >= 0; t--)
            for (long b = FIRST(B); b < LAST(B); b++) {
                long row = t * B + b;
                REAL *p = products + row * gates * H;
                for (long i = 0; i < H; i += LANES) {
                    vec v = GET(p + i) + load(bias + i), r = GET(p + H + i) + load(bias + H + i);
                    vec f = NAME(forget)(gates, p + i, bias + i, H), s = sigmoid(r), g = GET(du + row * H + i);
                    vec q = g * r * s + load(dh + b * H + i);
                    vec dv = q * (1.0f - f), dr = g * load(h + (row + B) * H + i) * (s + r * s * (1.0f - s));
                    vec df = q * (load(h + row * H + i) - v) * f * (1.0f - f);
                    store(dh + b * H + i, q * f);
                    if (gates == 4) { /* f / (f + i) is the sigmoid of ln f - ln i */
                        vec di = -df * (1.0f - sigmoid(GET(p + 3 * H + i) + load(bias + 3 * H + i)));
                        df *= 1.0f - sigmoid(GET(p + 2 * H + i) + load(bias + 2 * H + i));
                        PUT(p + 3 * H + i, di);
                        store(sums + 3 * H + i, load(sums + 3 * H + i) + di);
                    }
                    PUT(p + i, dv), PUT(p + H + i, dr), PUT(p + 2 * H + i, df);
                    store(sums + i, load(sums + i) + dv);
                    store(sums + H + i, load(sums + H + i) + dr);
                    store(sums + 2 * H + i, load(sums + 2 * H + i) + df);
                }
            }
    }
}

#undef EPSILON
