"use strict";
// A trained network in plain JavaScript: it reads, predicts and writes as `charrnn sample` does, character by character.
// It needs no document, so that it runs in a worker, and in Node for the tests.
//
// The operations are those of charrnn/generation/fast/numpy_way.py, which defines each kind; the random numbers are those
// of NumPy's default_rng. Sums are made in double precision and kept in single.

// ---- weights

/** Numbers in base64, as float32 or float16 (little endian, as every browser's machine is), to a Float32Array. */
function numbersOf(base64, type) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return type === "float16" ? fromHalves(new Uint16Array(bytes.buffer)) : new Float32Array(bytes.buffer);
}

function fromHalves(halves) {
  const numbers = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    const exponent = (halves[i] >> 10) & 31, fraction = halves[i] & 1023;
    const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    numbers[i] = halves[i] & 0x8000 ? -size : size;
  }
  return numbers;
}

// ---- operations

const sigmoid = x => 1 / (1 + Math.exp(-x));
const tanh = x => 1 - 2 / (Math.exp(2 * x) + 1);

/** y = W x + start, with W [y.length, x.length] row by row. `start` may be y itself, or null for zeros. */
function product(y, W, x, start) {
  const n = x.length, rows = y.length;
  let i = 0;
  for (; i + 4 <= rows; i += 4) {  // four rows at once: four sums that do not wait for each other
    const p = i * n, q = p + n, r = q + n, s = r + n;
    let a = 0, b = 0, c = 0, d = 0;
    for (let j = 0; j < n; j++) {
      const v = x[j];
      a += W[p + j] * v;
      b += W[q + j] * v;
      c += W[r + j] * v;
      d += W[s + j] * v;
    }
    if (start) { a += start[i]; b += start[i + 1]; c += start[i + 2]; d += start[i + 3]; }
    y[i] = a; y[i + 1] = b; y[i + 2] = c; y[i + 3] = d;
  }
  for (; i < rows; i++) {
    let a = start ? start[i] : 0;
    for (let j = 0; j < n; j++) a += W[i * n + j] * x[j];
    y[i] = a;
  }
}

/** Puts what a person holds in place of what the network computed; NaN holds nothing. */
function clamp(register, held) {
  if (held) for (let k = 0; k < register.length; k++) if (held[k] === held[k]) register[k] = held[k];
}

/**
 * What each kind of operation does: (y, op, x, other, id, held), where y is the register that it changes, x and `other`
 * are those that it reads, `id` is the character that is read and `held` gives what is held in `other` by a person.
 */
const OPERATIONS = {
  embed(y, op, x, other, id) { y.set(op.weight.subarray(id * y.length, (id + 1) * y.length)); },
  slide(y, op, x, other, id) {
    const width = op.columns;
    y.copyWithin(0, width);
    y.set(op.weight.subarray(id * width, (id + 1) * width), y.length - width);
  },
  matrix(y, op, x) { product(y, op.weight, x, op.bias); },
  more(y, op, x) { product(y, op.weight, x, y); },
  add(y, op, x) { for (let k = 0; k < y.length; k++) y[k] += x[k]; },
  copy(y, op, x) { y.set(x); },
  relu(y) { for (let k = 0; k < y.length; k++) if (y[k] < 0) y[k] = 0; },
  tanh(y) { for (let k = 0; k < y.length; k++) y[k] = tanh(y[k]); },
  lstm(h, op, gates, c, id, held) {
    const n = h.length;
    for (let k = 0; k < n; k++) {
      c[k] = sigmoid(gates[n + k]) * c[k] + sigmoid(gates[k]) * tanh(gates[2 * n + k]);
    }
    clamp(c, held);
    for (let k = 0; k < n; k++) h[k] = sigmoid(gates[3 * n + k]) * tanh(c[k]);
  },
  gru(h, op, ofX, ofH) {
    const n = h.length;
    for (let k = 0; k < n; k++) {
      const r = sigmoid(ofX[k] + ofH[k]), z = sigmoid(ofX[n + k] + ofH[n + k]);
      h[k] = (1 - z) * tanh(ofX[2 * n + k] + r * ofH[2 * n + k]) + z * h[k];
    }
  },
  mingru(y, op, gates, h, id, held) {
    const n = y.length;
    for (let k = 0; k < n; k++) h[k] = gates[k] + sigmoid(gates[2 * n + k]) * (h[k] - gates[k]);
    clamp(h, held);
    for (let k = 0; k < n; k++) y[k] = h[k] * gates[n + k] * sigmoid(gates[n + k]);
  },
  minlstm(y, op, gates, h, id, held) {
    const n = y.length;
    for (let k = 0; k < n; k++) {
      const f = sigmoid(gates[2 * n + k]), i = sigmoid(gates[3 * n + k]);
      h[k] = (f * h[k] + i * gates[k]) / (f + i);
    }
    clamp(h, held);
    for (let k = 0; k < n; k++) y[k] = h[k] * gates[n + k] * sigmoid(gates[n + k]);
  },
  layer(y, op, x) {
    const n = x.length;
    let mean = 0, square = 0;
    for (let k = 0; k < n; k++) mean += x[k] / n;
    for (let k = 0; k < n; k++) square += (x[k] - mean) ** 2 / n;
    const scale = 1 / Math.sqrt(square + 1e-5);
    for (let k = 0; k < n; k++) y[k] = (x[k] - mean) * scale * op.weight[k] + op.bias[k];
  },
  rms(y, op, x) {
    const n = x.length;
    let square = 0;
    for (let k = 0; k < n; k++) square += x[k] ** 2 / n;
    const scale = 1 / Math.sqrt(square + 2 ** -23);
    for (let k = 0; k < n; k++) y[k] = x[k] * scale * op.weight[k];
  },
};

const ALIKE = new Set(["embed", "matrix", "copy", "relu", "tanh", "layer", "rms"]);
const FOLD = 2 ** 20;

/** A network that reads one character after the other. `plan` is what charrnn/report/page/packing.py writes. */
class Network {
  constructor(plan) {
    const numbers = numbersOf(plan.weights, plan.type);
    const array = at => (at == null ? null : numbers.subarray(plan.arrays[at][0], plan.arrays[at][0] + plan.arrays[at][1]));
    this.size = plan.size;
    this.state = plan.state;
    this.units = plan.units;
    this.registers = {};
    for (const [name, width] of Object.entries(plan.registers)) this.registers[name] = new Float32Array(width);
    const planned = plan.ops.map(([kind, into, of, also, weight, bias]) =>
      ({kind, into, of, also, weight: array(weight), bias: array(bias), columns: weight == null ? 0 : plan.arrays[weight][2]}));
    this.window = plan.window ? {name: plan.window, table: planned[0].weight, width: planned[0].columns} : null;
    this.ops = plan.window ? planned : this._fold(planned, new Set(plan.state));
    this.held = {};
    this.begin();
  }

  /** What depends only on the character is computed once for every character (generation/fast/folding.py). */
  _fold(planned, state) {
    const known = new Map(), ops = [];
    let room = FOLD;
    const lookUp = name => {
      if (known.has(name)) ops.push({kind: "embed", into: name, of: "", also: "", weight: known.get(name), bias: null});
    };
    for (const op of planned) {
      const ready = op.of ? known.has(op.of) : op.kind === "embed" || known.has(op.into);
      const width = this.registers[op.into].length;
      if (ready && ALIKE.has(op.kind) && !state.has(op.into) && this.size * width <= room) {
        const table = new Float32Array(this.size * width), y = this.registers[op.into], x = this.registers[op.of];
        const [before, given] = [known.get(op.into), known.get(op.of)];
        for (let id = 0; id < this.size; id++) {
          if (before) y.set(before.subarray(id * width, (id + 1) * width));
          if (given) x.set(given.subarray(id * x.length, (id + 1) * x.length));
          OPERATIONS[op.kind](y, op, x, null, id);
          table.set(y, id * width);
        }
        known.set(op.into, table);
        room -= this.size * width;
        continue;
      }
      new Set([op.of, op.also, op.into]).forEach(lookUp);
      known.delete(op.into);
      ops.push(op);
    }
    return ops;
  }

  /** Forgets all. */
  begin() {
    for (const register of Object.values(this.registers)) register.fill(0);
    if (this.window) {  // which begins with boundaries
      const {name, table, width} = this.window, register = this.registers[name];
      for (let k = 0; k < register.length; k += width) register.set(table.subarray(table.length - width), k);
    }
  }

  /** Reads a character and gives the logits of the next one, which the next call overwrites. */
  step(id) {
    const {registers, held} = this;
    for (const op of this.ops) {
      OPERATIONS[op.kind](registers[op.into], op, registers[op.of], registers[op.also], id, held[op.also]);
      clamp(registers[op.into], held[op.into]);
    }
    return registers.logits;
  }

  /** Holds units at values: [[register, unit, value], ...]. An empty list lets all go. */
  hold(units) {
    this.held = {};
    for (const [name, unit, value] of units) {
      this.held[name] = this.held[name] || new Float32Array(this.registers[name].length).fill(NaN);
      this.held[name][unit] = value;
    }
  }

  /** The registers of these names, as copies. */
  copy(names) { return names.map(name => this.registers[name].slice()); }

  /** Goes back to what `copy(this.state)` gave. */
  restore(state) { this.state.forEach((name, i) => this.registers[name].set(state[i])); }
}

// ---- random numbers: NumPy's SeedSequence, PCG64 and standard_exponential

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

// ---- drawing a character

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

// ---- the alphabet

/** Characters to ids and back, as charrnn/text/vocab.py: n characters, then <unk>, then the boundary. */
class Alphabet {
  constructor({kind, characters, encoding}) {
    this.kind = kind;
    this.encoding = encoding;
    this.characters = kind === "byte" ? [] : Array.from(characters);
    this.unknown = kind === "byte" ? 256 : this.characters.length;
    this.boundary = this.unknown + 1;
    this._ids = new Map(this.characters.map((character, i) => [character, i]));
  }

  /** The id of a character; <unk> where there is none. */
  id(character) { return this._ids.has(character) ? this._ids.get(character) : this.unknown; }

  /** The ids of a text. */
  encode(text) {
    if (this.kind === "byte") return Array.from(new TextEncoder().encode(text));
    return Array.from(text.replace(/\r\n?/g, "\n"), character => this.id(character));
  }

  /** A function that takes ids and gives the text that each completes. */
  decoder() {
    if (this.kind === "char") return id => this.characters[id] ?? (id === this.unknown ? "\ufffd" : "");
    const bytes = new TextDecoder(this.encoding);
    return id => (id < 256 ? bytes.decode(new Uint8Array([id]), {stream: true}) : id === this.unknown ? "\ufffd" : "");
  }

  /** How a person sees an id. */
  shown(id) {
    if (id === this.unknown) return "<unk>";
    if (id === this.boundary) return "<end>";
    if (this.kind === "char") return this.characters[id];
    return id > 32 && id < 127 ? String.fromCharCode(id) : "\\x" + id.toString(16).padStart(2, "0");
  }
}

// ---- verse

const MIDDLE = "，、；：！？。", FINAL = "。？！；";
const LAYOUTS = [[[MIDDLE], [FINAL, "\n"]], [[MIDDLE], [FINAL]], [["\n"], ["\n"]]];

/**
 * What may stand at each place of a poem of `count` lines of `length` characters: a list of sets of ids, or a message
 * where this alphabet writes no such poem. A character of the acrostic begins each line. It is what
 * charrnn/verse/automaton.py allows where nobody asks for tones and rhymes.
 */
function verse(alphabet, ideographs, length, count, acrostic) {
  const marks = set => new Set(Array.from(set, mark => alphabet.id(mark)).filter(id => id !== alphabet.unknown));
  const layout = LAYOUTS.find(sides => sides.every(side => side.every(set => marks(set).size)));
  const letters = Array.from(acrostic), all = new Set(ideographs);
  if (!layout || !all.size) return "no-verse";
  if (letters.length > count) return "too-long";
  const places = [];
  for (let line = 0; line < count; line++) {
    for (let slot = 0; slot < length; slot++) places.push(all);
    if (letters[line]) {
      const id = alphabet.id(letters[line]);
      if (!all.has(id)) return "unknown-letter";
      places[places.length - length] = new Set([id]);
    }
    const last = line === count - 1;
    const after = last ? layout[1].filter(set => set !== "\n") : layout[line % 2];
    places.push(...after.map(marks));
  }
  return places;
}

// ---- reading and writing

const SURPRISED = 1 / Math.LN2;

/** A model and what it has read: the text of a person, and what it wrote after that. */
class Reader {
  constructor(model) {
    this.alphabet = new Alphabet(model.alphabet);
    this.network = new Network(model.plan);
    this.documents = model.documents;
    this.ideographs = model.ideographs || [];
    this.kept = [...new Set([...this.network.state, ...this.network.units.map(([name]) => name)])];
    this.logProbs = new Float64Array(this.network.size);
    this.begin();
  }

  /** Forgets all that was read. */
  begin() {
    this.ids = [];
    this.bits = [];
    this.states = [];
    this.network.begin();
    this._take(this.alphabet.boundary);
  }

  /** Reads a text: only what comes after its common beginning with the text before. */
  read(ids) {
    let same = 0;
    while (same < ids.length && same < this.ids.length && ids[same] === this.ids[same]) same++;
    this.ids.length = this.bits.length = same;
    this.states.length = same + 1;
    this._back(same);
    for (const id of ids.slice(same)) this.add(id);
  }

  /** Reads one more character, and gives its surprise in bits. */
  add(id) {
    const bits = -this.logProbs[id] * SURPRISED;
    this.ids.push(id);
    this.bits.push(bits);
    this._take(id);
    return bits;
  }

  _take(id) {
    logSoftmax(this.network.step(id), this.logProbs);
    this.states.push(this.network.copy(this.kept));
  }

  /** Goes back to where `count` characters were read, with the prediction of the next one. */
  _back(count) {
    const {network, kept, states} = this;
    if (count) {
      states[count - 1].forEach((values, i) => network.registers[kept[i]].set(values));
    } else {
      network.begin();
    }
    logSoftmax(network.step(count ? this.ids[count - 1] : this.alphabet.boundary), this.logProbs);
  }

  /** Holds units, and reads all again. */
  hold(units) {
    const ids = this.ids.slice();
    this.network.hold(units);
    this.begin();
    this.read(ids);
  }

  /** The likeliest characters after the first `count` ones: [[shown, probability, id], ...]. */
  likeliest(count, most) {
    this._back(count);
    const p = this.logProbs, found = largestFirst(p).slice(0, most);
    const result = found.map(id => [this.alphabet.shown(id), Math.exp(p[id]), id]);
    if (count < this.ids.length) this._back(this.ids.length);
    return result;
  }

  /** The values of all shown units after the first `count` characters, one array for each register. */
  unitsAt(count) { return this.network.units.map(([name]) => this.states[count][this.kept.indexOf(name)]); }

  /** The values of one unit after each character. */
  trace(name, unit) {
    const at = this.kept.indexOf(name);
    return Float32Array.from(this.states.slice(1), state => state[at][unit]);
  }

  /**
   * Writes on after what was read, yielding [text, bits] for each character. `settings` has seed, length, temperature,
   * top_k, top_p and repetition_penalty; `places`, if given, are those of `verse`.
   */
  *write(settings, places) {
    const {alphabet, documents} = this, random = new Random(settings.seed), text = alphabet.decoder();
    const p = new Float64Array(this.network.size), recent = this.ids.slice(-MEMORY);
    const length = places ? places.length : settings.length;
    for (let k = this.ids.length, start = places ? 0 : k; k - start < length; k++) {
      p.set(this.logProbs);
      if (places) {
        for (let i = 0; i < p.length; i++) if (!places[k].has(i)) p[i] = -Infinity;
        logSoftmax(p, p);
      }
      p[alphabet.unknown] = -Infinity;
      if (places || !documents) p[alphabet.boundary] = -Infinity;
      const id = draw(filter(p, settings, recent), random);
      if (id === alphabet.boundary) return;
      recent.push(id);
      if (recent.length > MEMORY) recent.shift();
      const bits = this.add(id);
      yield [text(id), bits];
    }
  }

  /** Whether what was read is the beginning of a poem with these places. */
  fits(places) { return this.ids.length <= places.length && this.ids.every((id, k) => places[k].has(id)); }
}
