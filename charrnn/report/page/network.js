"use strict";
// A trained network: its weights, and the planner's operations, which charrnn/generation/fast/numpy_way.py defines.
// Sums are made in double precision and kept in single.

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
