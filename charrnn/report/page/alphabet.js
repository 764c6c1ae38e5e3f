"use strict";
// The alphabet of a model, as charrnn/text/vocab.py has it.

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
    if (this.kind === "byte") {
      if (this.encoding === "utf-8") return Array.from(new TextEncoder().encode(text));
      return Array.from(text, letter => (letter < "\x80" ? letter.charCodeAt(0) : this.unknown));  // browsers encode no other
    }
    return Array.from(text, character => this.id(character));
  }

  /** A function that takes ids and gives the text that each completes. */
  decoder() {
    if (this.kind === "char") return id => this.characters[id] ?? (id === this.unknown ? "\ufffd" : "");
    const bytes = this._bytes();
    return id => (id < 256 ? bytes.decode(new Uint8Array([id]), {stream: true}) : id === this.unknown ? "\ufffd" : "");
  }

  _bytes() {
    const name = this.encoding.replace(/_/g, "-").replace(/^(utf-16)-/, "$1");  // Python's names and the browsers'
    try {
      return new TextDecoder(name);
    } catch {
      return new TextDecoder("latin1");
    }
  }

  /** How a person sees an id. */
  shown(id) {
    if (id === this.unknown) return "<unk>";
    if (id === this.boundary) return "<end>";
    if (this.kind === "char") return this.characters[id];
    return id > 32 && id < 127 ? String.fromCharCode(id) : "\\x" + id.toString(16).padStart(2, "0");
  }
}
