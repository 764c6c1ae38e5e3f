"use strict";
// A model that reads what a person writes, and writes on, as `charrnn sample` does.

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
