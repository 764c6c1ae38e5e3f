"use strict";
// Random numbers as NumPy makes them: SeedSequence, PCG64 and standard_exponential.

/** The four 64-bit numbers, as eight of 32 bits, that NumPy's SeedSequence makes of a seed from 0 to 2^53 - 1. */
function seedWords(seed) {
  const entropy = [seed >>> 0];
  if (seed >= 2 ** 32) entropy.push(Math.floor(seed / 2 ** 32));
  let constant = 0x43b0d7e5;
  const hash = value => {
    value ^= constant;
    constant = Math.imul(constant, 0x931e8875);
    value = Math.imul(value, constant);
    return (value ^ (value >>> 16)) >>> 0;
  };
  const mix = (x, y) => {
    const value = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const pool = [0, 1, 2, 3].map(i => hash(entropy[i] || 0));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
  }
  constant = 0x8b51f9dd;
  return Array.from({length: 8}, (_, i) => {
    let value = pool[i % 4] ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    value = Math.imul(value, constant);
    return (value ^ (value >>> 16)) >>> 0;
  });
}

const R = 7.69711747013104972, AREA = 3.949659822581557e-3;  // the ziggurat of 256 layers under e^-x
const ZIGGURAT = (() => {
  const most = 2 ** 53, limit = new Float64Array(256), width = new Float64Array(256), height = new Float64Array(256);
  const base = AREA / Math.exp(-R);
  limit[0] = Math.floor((R / base) * most);
  width[0] = base / most;
  height[0] = 1;
  for (let i = 255, x = R; i >= 1; i--) {
    width[i] = x / most;
    height[i] = Math.exp(-x);
    const above = i > 1 ? -Math.log(AREA / x + height[i]) : 0;
    limit[i] = Math.floor((above / x) * most);
    x = above;
  }
  return {limit, width, height};
})();

/** `np.random.default_rng(seed)`: PCG64, of which `exponential` gives the numbers of `standard_exponential`. */
class Random {
  constructor(seed) {
    const w = seedWords(seed);
    // Words of 32 bits, the lowest first. The increment is 2 * sequence + 1.
    const start = [w[2], w[3], w[0], w[1]], sequence = [w[6], w[7], w[4], w[5]];
    this.increment = Float64Array.from(sequence, (word, i) => ((word << 1) | (i ? sequence[i - 1] >>> 31 : 1)) >>> 0);
    this.state = this.increment.slice();  // one step from 0
    for (let i = 0, carry = 0; i < 4; i++) {
      const sum = this.state[i] + start[i] + carry;
      this.state[i] = sum >>> 0;
      carry = sum >= 2 ** 32 ? 1 : 0;
    }
    this._step();
    this.low = this.high = 0;
  }

  /** state * multiplier + increment, modulo 2^128: words of 32 bits times halves of 16, so that all is exact. */
  _step() {
    const s = this.state, n = this.increment, a = s[0], b = s[1], c = s[2], d = s[3];
    let v = a * 0xf645 + (n[0] & 0xffff), q = Math.floor(v / 65536), low = v - q * 65536;
    v = q + a * 0x9fcc + (n[0] >>> 16);
    q = Math.floor(v / 65536);
    s[0] = low + (v - q * 65536) * 65536;
    v = q + a * 0xdf64 + b * 0xf645 + (n[1] & 0xffff);
    q = Math.floor(v / 65536);
    low = v - q * 65536;
    v = q + a * 0x4385 + b * 0x9fcc + (n[1] >>> 16);
    q = Math.floor(v / 65536);
    s[1] = low + (v - q * 65536) * 65536;
    v = q + a * 0x5da4 + b * 0xdf64 + c * 0xf645 + (n[2] & 0xffff);
    q = Math.floor(v / 65536);
    low = v - q * 65536;
    v = q + a * 0x1fc6 + b * 0x4385 + c * 0x9fcc + (n[2] >>> 16);
    q = Math.floor(v / 65536);
    s[2] = low + (v - q * 65536) * 65536;
    v = q + a * 0xed05 + b * 0x5da4 + c * 0xdf64 + d * 0xf645 + (n[3] & 0xffff);
    q = Math.floor(v / 65536);
    low = v - q * 65536;
    v = q + a * 0x2360 + b * 0x1fc6 + c * 0x4385 + d * 0x9fcc + (n[3] >>> 16);
    s[3] = low + (v - Math.floor(v / 65536) * 65536) * 65536;
  }

  /** The next 64 bits, in `low` and `high`. */
  _next() {
    this._step();
    const s = this.state, low = s[0] ^ s[2], high = s[1] ^ s[3], turn = s[3] >>> 26, by = turn & 31;
    const x = turn & 32 ? high : low, y = turn & 32 ? low : high;
    this.low = by ? (x >>> by) | (y << (32 - by)) : x;
    this.high = by ? (y >>> by) | (x << (32 - by)) : y;
  }

  /** A number from 0 to 1. */
  uniform() {
    this._next();
    return ((this.high >>> 0) * 2 ** 21 + (this.low >>> 11)) / 2 ** 53;
  }

  /** A number with density e^-x. */
  exponential() {
    const {limit, width, height} = ZIGGURAT;
    for (;;) {
      this._next();
      const layer = (this.low >>> 3) & 255, place = (this.high >>> 0) * 2 ** 21 + (this.low >>> 11);
      const x = place * width[layer];
      if (place < limit[layer]) return x;
      if (layer === 0) return R - Math.log1p(-this.uniform());
      if ((height[layer - 1] - height[layer]) * this.uniform() + height[layer] < Math.exp(-x)) return x;
    }
  }
}
