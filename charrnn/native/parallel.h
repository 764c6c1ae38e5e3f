/* parallel.c includes this file once for each type of numbers, REAL. */

#define EPSILON 1.1920929e-7f /* the epsilon of nn.RMSNorm */

/* The mask at row (t, b) from unit u on. A mask is [B, D] (step 0) or [T, B, D] (step B * D); without one it is 1. */
#define MASK(u) (mask ? load(mask + t * step + b * D + (u)) : splat(1))

/* x = before + mask * y; without a residual connection, mask * y. z_t = x_t / rms(x_t) * scale. pairs [T, B, 2 D]
   receives z_{t-1} beside z_t, and inverse [T, B] receives 1 / rms. `last` [B, D]: in, the z before the window; out,
   the last z of it. `width` of the D numbers of x are not padding. Without y, x is given; without scale, z = x. */
int NAME(pair_forward)(long T, long B, long D, long width, const float *before, const REAL *y, const float *mask,
                       long step, long residual, float *x, const float *scale, float *last, REAL *pairs,
                       float *inverse, long threads) {
    SHARE(B, threads) {
        for (long t = 0; t < T; t++)
            for (long b = FIRST(B); b < LAST(B); b++) {
                long row = t * B + b;
                float *in = x + row * D, by = 1;
                REAL *out = pairs + row * 2 * D + D, *next = out + B * 2 * D - D;
                vec squares = splat(0);
                for (long u = 0; u < D; u += LANES) {
                    if (y) {
                        vec given = GET(y + row * D + u) * MASK(u);
                        if (residual) given += load(before + row * D + u);
                        store(in + u, given);
                    }
                    squares += load(in + u) * load(in + u);
                }
                if (scale) by = inverse[row] = 1 / sqrtf(sum(squares) / (float)width + EPSILON);
                for (long u = 0; u < D; u += LANES) {
                    vec z = load(in + u) * by;
                    if (scale) z *= load(scale + u);
                    if (t == 0) PUT(out - D + u, load(last + b * D + u));
                    PUT(out + u, z);
                    if (t + 1 < T) PUT(next + u, z);
                    else store(last + b * D + u, z);
                }
            }
    }
    return 0;
}

/* dpairs is the gradient of pairs. dx: in, the gradient of x from the later blocks; out, the whole gradient of x.
   Without a residual connection it is only an output. dlast [B, D]: in, the gradient of the last z; out, of the z before
   the window. dscale [threads, D]: in, zeros; out, one sum for each thread. dy [T, B, D], if there was a y, receives its
   gradient; `mask` is its mask. */
int NAME(pair_backward)(long T, long B, long D, long width, const float *x, const float *scale, const float *inverse,
                        const REAL *dpairs, float *dx, long residual, float *dlast, float *dscale, const float *mask,
                        long step, REAL *dy, long threads) {
    SHARE(B, threads) {
        float *sums = dscale + share * D;
        for (long t = 0; t < T; t++)
            for (long b = FIRST(B); b < LAST(B); b++) {
                long row = t * B + b;
                const REAL *now = dpairs + row * 2 * D + D, *next = now + B * 2 * D - D;
                const float *in = x + row * D;
                float *out = dx + row * D, mean = 0;
                float by = scale ? inverse[row] : 1;
                if (scale) {
                    vec along = splat(0);
                    for (long u = 0; u < D; u += LANES) {
                        vec dz = GET(now + u) + (t + 1 < T ? GET(next + u) : load(dlast + b * D + u));
                        vec whitened = load(in + u) * by;
                        along += dz * load(scale + u) * whitened;
                        store(sums + u, load(sums + u) + dz * whitened);
                    }
                    mean = sum(along) / (float)width;
                }
                for (long u = 0; u < D; u += LANES) {
                    vec sum = residual ? load(out + u) : splat(0);
                    vec dz = GET(now + u) + (t + 1 < T ? GET(next + u) : load(dlast + b * D + u));
                    if (scale) dz = (dz * load(scale + u) - load(in + u) * (by * mean)) * by;
                    sum += dz;
                    store(out + u, sum);
                    if (dy) PUT(dy + row * D + u, sum * MASK(u));
                }
            }
        for (long b = FIRST(B); b < LAST(B); b++)
            for (long u = 0; u < D; u += LANES) store(dlast + b * D + u, GET(dpairs + b * 2 * D + u));
    }
    return 0;
}

/* The forget gate f of some units; with an input gate i (minLSTM), f / (f + i). For f = sigmoid(a) and i = sigmoid(b)
   that is (1 + e^-b) / (2 + e^-a + e^-b). All terms are divided by the largest, so that none becomes infinite and not
   all become 0. */
INLINE vec NAME(forget)(long gates, const REAL *p, const float *bias, long H) {
    vec a = GET(p + 2 * H) + load(bias + 2 * H);
    if (gates == 3) return sigmoid(a);
    vec b = GET(p + 3 * H) + load(bias + 3 * H), most = larger(larger(-a, -b), splat(0));
    vec one = exponential(-most), of_i = one + exponential(-b - most);
    return of_i / (of_i + one + exponential(-a - most));
}

/* products [T, B, gates * H] is W z for v, r, f (and i); bias is [gates * H]. h_t = f h_{t-1} + (1 - f) v and
   u_t = h_t silu(r). h [T + 1, B, H] begins with the state before the window. */
int NAME(mix_forward)(long T, long B, long H, long gates, const REAL *products, const float *bias, float *h, REAL *u,
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
    return 0;
}

/* products: in, as for mix_forward; out, their gradients. du [T, B, H] is the gradient of u. dh [B, H]: in, the
   gradient of the last state; out, of the state before the window. dbias [threads, gates * H]: in, zeros; out, one sum
   for each thread. */
int NAME(mix_backward)(long T, long B, long H, long gates, REAL *products, const float *bias, const float *h,
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
    return 0;
}

#undef EPSILON
#undef MASK
