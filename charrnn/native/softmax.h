/* softmax.c includes this file once for each type of numbers, REAL. */

/* logits [R, V] and the target of each row, or -1, to nats [R], -ln p of the targets, and the gradient [R, V] of `scale`
   times their sum, scale (p - 1 at the target). Both are 0 in a row without a target. `scratch` [threads, V + LANES]. */
int NAME(cross_entropy)(long R, long V, const REAL *logits, const int64_t *targets, const float *scale, float *nats,
                        REAL *gradient, float *scratch, long threads) {
    long whole = V - V % LANES, padded = (V + LANES - 1) / LANES * LANES;
    SHARE(R, threads) {
        float *e = scratch + share * (V + LANES);
        for (long r = FIRST(R); r < LAST(R); r++) {
            const REAL *in = logits + r * V;
            REAL *out = gradient + r * V;
            long target = targets[r];
            if (target < 0) {
                nats[r] = 0;
                memset(out, 0, V * sizeof(REAL));
                continue;
            }
            for (long u = 0; u < whole; u += LANES) store(e + u, GET(in + u));
            for (long u = whole; u < V; u++) e[u] = ONE(in[u]);
            for (long u = V; u < padded; u++) e[u] = -INFINITY;
            vec most = splat(-INFINITY), total = splat(0);
            for (long u = 0; u < padded; u += LANES) most = larger(load(e + u), most);
            float top = most[0], wanted = e[target];
            for (int i = 1; i < LANES; i++) top = most[i] > top ? most[i] : top;
            for (long u = 0; u < padded; u += LANES) {
                vec power = exponential(load(e + u) - top);
                store(e + u, power);
                total += power;
            }
            /* What stands beyond V counts as e^-87 each, which is lost beside the 1 of the largest. */
            float all = sum(total), by = *scale / all;
            nats[r] = logf(all) + top - wanted;
            e[target] -= all;
            for (long u = 0; u < whole; u += LANES) PUT(out + u, load(e + u) * by);
            for (long u = whole; u < V; u++) out[u] = BACK(e[u] * by);
        }
    }
    return 0;
}
