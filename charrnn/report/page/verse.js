"use strict";
// Forms of verse: the lengths of lines, and acrostics.

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
