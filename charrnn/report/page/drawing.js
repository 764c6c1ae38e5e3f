"use strict";
// From logits to the next character, as charrnn/generation/filters.py has it.

const MEMORY = 64;

/** ln p of logits, into `out`. */
function logSoftmax(logits, out) {
  let most = -Infinity, sum = 0;
  for (let i = 0; i < logits.length; i++) if (logits[i] > most) most = logits[i];
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - most);
  const shift = most + Math.log(sum);
  for (let i = 0; i < logits.length; i++) out[i] = logits[i] - shift;
  return out;
}

/** Indices of the numbers, the largest first; of equal ones the lower index. */
function largestFirst(numbers) {
  return Array.from(numbers.keys()).sort((i, j) => numbers[j] - numbers[i] || i - j);
}

/** Probabilities to draw from, in place of ln p: repetition penalty, temperature, top-k, top-p, as in filters.py. */
function filter(p, settings, recent) {
  const {temperature, top_k: k, top_p: share, repetition_penalty: penalty} = settings;
  if (penalty > 1) for (const id of new Set(recent.slice(-MEMORY))) p[id] *= penalty;
  if (temperature === 0) {
    let best = 0;
    for (let i = 1; i < p.length; i++) if (p[i] > p[best]) best = i;
    p.fill(0);
    p[best] = 1;
    return p;
  }
  const scale = 1 / Math.max(temperature, 1e-4);
  let most = -Infinity, sum = 0;
  for (let i = 0; i < p.length; i++) { p[i] *= scale; if (p[i] > most) most = p[i]; }
  if (k != null && k < p.length) for (const i of largestFirst(p).slice(k)) p[i] = -Infinity;
  for (let i = 0; i < p.length; i++) { p[i] = Math.exp(p[i] - most); sum += p[i]; }
  for (let i = 0; i < p.length; i++) p[i] /= sum;
  if (share < 1) {
    let before = 0;
    largestFirst(p).forEach((i, place) => {
      const own = p[i];
      if (place && before >= share) p[i] = 0;
      before += own;
    });
  }
  return p;
}

/** The index with the smallest race / p: index i with probability p_i. */
function draw(p, random) {
  let best = 0, most = -1;
  for (let i = 0; i < p.length; i++) {
    const speed = p[i] / Math.max(random.exponential(), 1e-300);
    if (speed > most) { most = speed; best = i; }
  }
  return best;
}
