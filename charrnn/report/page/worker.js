"use strict";
// What a worker of the page does with a model: it answers messages one at a time, and writes in short slices, so that the
// next message, which ends the writing, is soon heard. Each answer bears the turn of the message that it answers.

const SLICE = 50;  // milliseconds
const NEXT = 12;

let reader = null, running = 0;
let given = [];  // the characters that a person wrote, where the model reads one id for each
const turns = new MessageChannel();
let slice = null;
turns.port2.onmessage = () => slice && slice();

/** The pieces of what was read: [text, bits, how many ids were read with it]. */
function pieces() {
  const text = reader.alphabet.decoder(), found = [];
  let bits = 0;
  reader.ids.forEach((id, i) => {
    bits += reader.bits[i];
    const piece = id === reader.alphabet.unknown && given[i] ? given[i] : text(id);
    if (piece) { found.push([piece, bits, i + 1]); bits = 0; }
  });
  return found;
}

function place(count) {
  return {count, next: reader.likeliest(count, NEXT), units: reader.unitsAt(count)};
}

const ANSWERS = {
  load({model}) {
    const start = performance.now();
    reader = new Reader(model);
    return {units: reader.network.units, took: performance.now() - start};
  },
  read({text, held}) {
    if (held) reader.network.hold(held);
    if (held) reader.begin();
    const ids = reader.alphabet.encode(text);
    given = reader.alphabet.kind === "char" ? Array.from(text) : [];
    reader.read(ids);
    const unknown = [...new Set(given.filter((_, i) => ids[i] === reader.alphabet.unknown))];
    return {pieces: pieces(), unknown, ...place(reader.ids.length)};
  },
  at({count}) { return place(Math.min(count, reader.ids.length)); },
  trace({name, unit}) {
    const all = reader.trace(name, unit), at = pieces();
    return {values: at.map(([, , count]) => all[count - 1])};
  },
  write(message, turn) {
    const {settings, form} = message;
    let places = null;
    if (form) {
      places = verse(reader.alphabet, reader.ideographs, form.length, form.lines, form.acrostic);
      if (typeof places === "string") return {refused: places};
      if (!reader.fits(places)) return {refused: "prompt"};
    }
    const own = (running = turn), writing = reader.write(settings, places), before = reader.ids.length;
    let spent = 0, held = 0, first = true;
    slice = () => {
      if (own !== running) return;
      const start = performance.now(), wrote = [];
      let done = false;
      while (!done && performance.now() - start < SLICE) {
        const step = writing.next();
        done = step.done;
        if (done) break;
        const [text, bits] = step.value;
        held += bits;
        if (text) { wrote.push([text, held, reader.ids.length]); held = 0; }
      }
      spent += performance.now() - start;
      postMessage({kind: "wrote", turn, pieces: wrote, first});
      first = false;
      if (!done) { turns.port1.postMessage(0); return; }
      running = 0;
      const written = reader.ids.length - before;
      postMessage({kind: "done", turn, written, speed: (1000 * written) / Math.max(spent, 0.01), ...place(reader.ids.length)});
    };
    slice();
    return null;
  },
  stop() { return {}; },
};

onmessage = ({data}) => {
  if (data.kind !== "at" && data.kind !== "trace") running = 0;
  try {
    const answer = ANSWERS[data.kind](data, data.turn);
    if (answer) postMessage({kind: data.kind, turn: data.turn, ...answer});
  } catch (error) {
    postMessage({kind: "failed", turn: data.turn, message: String(error)});
  }
};
