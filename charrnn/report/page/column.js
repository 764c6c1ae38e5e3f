"use strict";
// A model, its worker, and the column of the page in which both are seen. What comes from a run is put into the page as
// text, never as HTML.

const LEVELS = 9;

const get = id => document.getElementById(id);

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/** The same in both languages, of which the page shows one. */
function both(english, chinese) {
  const made = document.createDocumentFragment();
  for (const [lang, text] of [["en", english], ["zh", chinese]]) {
    const part = element("span", text);
    part.lang = lang;
    made.append(part);
  }
  return made;
}

/** A probability in per cent. */
const percent = p => (p < 0.001 ? "< 0.1" : (100 * p).toFixed(p < 0.1 ? 1 : 0)) + " %";

/** A value with two digits, without a sign where these are zeros. */
const twoDigits = value => value.toFixed(2).replace(/^-(0\.00)$/, "$1");

/** A level from 0 to LEVELS. */
const level = share => Math.max(0, Math.min(LEVELS, Math.round(share * LEVELS)));

/** A text as one word of a shell. */
const quoted = text => "'" + text.replace(/'/g, "'\\''") + "'";

/** A text as an option takes it, which reads \\n as a line end. */
const escaped = text => quoted(text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/\t/g, "\\t"));

/** A model, its worker, and the column in which both are seen. */
class Column {
  constructor(model) {
    this.model = model;
    this.root = get("column").content.firstElementChild.cloneNode(true);
    this.find = name => this.root.querySelector("." + name);
    this.pieces = [];
    this.marks = [];
    this.held = new Map();
    this.seen = {};
    this.ranges = new Map();  // the lowest and the highest value of each unit that was chosen, while it is not held
    this.turn = this.reads = this.writes = 0;
    this.prompt = [];
    this.picked = null;
    this.written = 0;
    this.unknown = [];
    this.find("name").textContent = model.name;
    this.find("facts").append(both(model.about[0], model.about[1]));
    for (const [name] of model.plan.units) this.find("register").append(new Option("", name));
    this.speak();
    this._listen();
    const code = ["engine", "worker"].map(id => get(id).textContent).join("\n");
    const address = URL.createObjectURL(new Blob([code], {type: "text/javascript"}));
    this.worker = new Worker(address);
    this.worker.onmessage = ({data}) => this._hear(data);
    this.worker.onerror = error => tell(both("The model cannot run here: " + error.message, "模型无法运行：" + error.message));
    this.ask("load", {model});
  }

  /** Names the registers in the language of the page: an option holds no other elements. */
  speak() {
    const label = document.documentElement.lang === "zh" ? 3 : 2;
    this.find("units").setAttribute("aria-label", label === 3 ? "神经元的数值" : "the values of the units");
    [...this.find("register").options].forEach((option, i) => { option.textContent = this.model.plan.units[i][label]; });
  }

  ask(kind, rest = {}) {
    this.turn++;
    if (kind === "read") [this.reads, this.writes] = [this.turn, 0];
    if (kind === "write") this.writes = this.turn;
    this.worker.postMessage({kind, turn: this.turn, ...rest});
  }

  close() { this.worker.terminate(); this.root.remove(); }

  /** Reads the text, with what is held. */
  read(text, again = false) {
    const form = this.model.alphabet.normalization;
    text = text.replace(/\r\n?/g, "\n");
    this.start = form && form !== "none" ? text.normalize(form.toUpperCase()) : text;
    const held = [...this.held.values()];
    this.ask("read", {text: this.start, held: again ? held : undefined});
  }

  write(settings, form) { this.ask("write", {settings, form}); }

  _hear(data) {
    const {kind} = data;
    if (kind === "failed") { tell(both("The model failed: " + data.message, "模型出错：" + data.message)); return; }
    if (kind === "load") {
      document.documentElement.dataset.ready = Math.round(performance.now());
      return;
    }
    if (kind === "read" && data.turn !== this.reads) return;  // the answer to an older question
    if (["wrote", "done", "write"].includes(kind) && data.turn !== this.writes) return;
    if (kind === "write") { tell(both(...REFUSED[data.refused])); this._show(this.prompt); return; }
    if (kind === "read") {
      this.prompt = data.pieces;
      this.unknown = data.unknown;
      if (data.unknown.length) {
        const some = data.unknown.slice(0, 20).join(" ");
        tell(both("The model does not know these and reads <unk>: " + some, "模型不认识这些字，读作 <unk>：" + some));
      }
      if (!writing) {
        this._show(data.pieces);
        this._trace();
      }
      this._place(data);
    }
    if (kind === "wrote") {
      if (data.first) this._show([...this.prompt]);
      this._append(data.pieces);
    }
    if (kind === "done") {
      this.written = data.written;
      this._place(data);
      this._total();
      if (data.written) this._command(data.speed);
      else this.find("command").replaceChildren(both("Nothing was added: the text is at its end.", "没有续写：文字已到结尾。"));
      document.documentElement.dataset.speed = Math.round(data.speed);
      this.root.dataset.done = data.turn;
      this._trace();
    }
    if (kind === "at") this._place(data);
    if (kind === "trace") this._colourByUnit(data.values);
  }

  // ---- the text

  _show(pieces) {
    this.find("reading").replaceChildren();
    this.pieces = [];
    this.marks = [];
    this.find("command").replaceChildren();
    this._append(pieces);
    this._total();
  }

  _append(pieces) {
    const reading = this.find("reading"), most = Math.log2(this.model.plan.size) * 1.2;
    for (const piece of pieces) {
      const [text, bits, count] = piece, mark = element("i", text === "\n" ? "↵\n" : text);
      mark.className = "h" + level(bits / most);
      if (text === "\n") mark.classList.add("end");
      mark.title = `${bits.toFixed(2)} bits`;
      mark.dataset.count = count;
      if (this.pieces.length < this.prompt.length) mark.classList.add("given");
      // Each line is a block of its own, so that the browser does not lay out all of a long text again and again.
      if (!this.pieces.length || this.pieces[this.pieces.length - 1][0] === "\n") reading.append(element("div"));
      reading.lastChild.append(mark);
      this.pieces.push(piece);
      this.marks.push(mark);
    }
    reading.scrollTop = reading.scrollHeight;
  }

  _total() {
    const bits = this.pieces.reduce((sum, piece) => sum + piece[1], 0), count = this.pieces.length;
    const mean = count ? (bits / count).toFixed(2) : "–";
    this.find("total").replaceChildren(both(`${count} character${count === 1 ? "" : "s"}, ${mean} bits each`, `${count} 字，平均每字 ${mean} 比特`));
    const scale = this.find("scale");
    if (this.picked) return;
    scale.replaceChildren(both("expected ", "意料之中 "));
    for (let i = 0; i <= LEVELS; i++) scale.append(element("i", "\u2003", "h" + i));
    scale.append(both(" surprising", " 出乎意料"));
  }

  _command(speed) {
    const {model} = this, now = settings(), form = verseForm(), line = this.find("command");
    line.replaceChildren(both(`${Math.round(speed).toLocaleString("en")} characters/s. `, `每秒 ${Math.round(speed).toLocaleString("en")} 字。`));
    if (this.held.size || model.mixture) return;
    const words = ["charrnn sample", quoted(model.path), "--prompt", escaped(this.start), "--seed", now.seed, "--temperature", now.temperature];
    if (this.unknown.length) words.push("--unknown", "replace");
    if (model.step !== null) words.push("--checkpoint", model.step);
    if (form) words.push("--form", `${form.length}x${form.lines}`, ...(form.acrostic ? ["--acrostic", quoted(form.acrostic)] : []));
    else words.push("--length", now.length);
    for (const key of ["top_k", "top_p", "repetition_penalty"]) {
      const all = model.plan.size;  // as top-k it leaves out nothing
      if (now[key] !== model.sampling[key]) words.push("--" + key.replace("_", "-"), now[key] === null ? all : now[key]);
    }
    line.append(model.plan.type === "float32"
      ? both("The same text, in a terminal: ", "在终端写出同样的文字：")
      : both("Nearly the same (weights are rounded here), in a terminal: ", "在终端写出几乎同样的文字（本页权重经过舍入）："));
    line.append(element("code", words.join(" ")));
  }

  // ---- a place in the text: what may come, and the units

  _place({count, next, units}) {
    this.count = count;
    this.values = units;
    const list = this.find("next"), most = next.length ? next[0][1] : 1;
    list.replaceChildren(...next.map(([shown, p, id]) => {
      const row = element("li"), button = element("button"), bar = element("span", "", "bar");
      const sign = {"\n": "↵", " ": "␣", "\t": "⇥", "　": "□"}[shown] || shown;
      button.append(element("b", sign), bar, element("span", percent(p), "share"));
      bar.style.setProperty("--share", (100 * p) / most + "%");
      button.disabled = id >= this.model.plan.size - 2 || this.model.alphabet.kind !== "char";
      button.onclick = () => {
        const kept = this.pieces.filter(piece => piece[2] <= count).map(piece => piece[0]).join("");
        changeText(kept + shown);
      };
      row.append(button);
      return row;
    }));
    const last = this.pieces.filter(piece => piece[2] <= count).slice(-12).map(piece => piece[0]).join("");
    this.find("after").replaceChildren(...(last ? [both("after ", "在 "), element("q", last.replace(/\n/g, "↵")), both("", " 之后")] : []));
    for (const mark of this.marks) mark.classList.toggle("here", +mark.dataset.count === count);
    list.classList.toggle("named", next.some(([shown]) => shown.length > 2));  // <end>, <unk>, and bytes
    this._draw();
  }

  _register() { return Math.max(0, this.find("register").selectedIndex); }

  _draw() {
    const canvas = this.find("units"), values = this.values && this.values[this._register()];
    if (!values) return;
    const name = this.model.plan.units[this._register()][0], space = canvas.clientWidth || 300;
    const across = Math.max(8, Math.min(64, Math.floor(space / 12), values.length)), cell = space / across;
    const down = Math.ceil(values.length / across), ratio = window.devicePixelRatio || 1;
    this.seen[name] = values.reduce((most, v) => Math.max(most, Math.abs(v)), this.seen[name] || 1e-6);
    Object.assign(this, {across, cell});
    canvas.style.height = down * cell + "px";
    canvas.width = space * ratio;
    canvas.height = down * cell * ratio;
    const draw = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const [low, high, ink] = ["--low", "--high", "--ink"].map(key => style.getPropertyValue(key).trim());
    draw.scale(ratio, ratio);
    values.forEach((value, k) => {
      const x = (k % across) * cell, y = Math.floor(k / across) * cell;
      draw.fillStyle = `rgb(${value < 0 ? low : high} / ${Math.min(1, 0.04 + 0.96 * Math.abs(value) / this.seen[name])})`;
      draw.fillRect(x + 0.5, y + 0.5, cell - 1, cell - 1);
      const held = this.held.has(name + " " + k), chosen = this.picked && this.picked[0] === name && this.picked[1] === k;
      if (held || chosen) {
        draw.strokeStyle = ink;
        draw.lineWidth = chosen ? 2 : 1;
        draw.strokeRect(x + 1, y + 1, cell - 2, cell - 2);
      }
    });
    if (this.picked && this.picked[0] === name) {
      const k = this.picked[1], slide = this.find("level"), [least, most] = this.ranges.get(name + " " + k) || [-1, 1];
      slide.min = least;
      slide.max = most;
      slide.step = (most - least) / 200;
      this.find("value").textContent = twoDigits(values[k]);
      if (document.activeElement !== slide) slide.value = values[k];
    }
  }

  pick(unit) {
    const [name, width] = this.model.plan.units[this._register()];
    unit = Math.max(0, Math.min(width - 1, Math.round(unit) || 0));
    this.picked = [name, unit];
    this.find("one").hidden = false;
    this.find("unit").max = width - 1;
    this.find("unit").value = unit;
    this._draw();
    this._trace();
  }

  /** Asks for the values of the chosen unit along the text. */
  _trace() { if (this.picked) this.ask("trace", {name: this.picked[0], unit: this.picked[1]}); }

  _colourByUnit(values) {
    if (!this.picked) return;
    const [name, unit] = this.picked, least = values.reduce((a, b) => Math.min(a, b), Infinity);
    const most = values.reduce((a, b) => Math.max(a, b), -Infinity), middle = (least + most) / 2, half = (most - least) / 2;
    const differ = half > 1e-6, isHeld = this.held.has(name + " " + unit);
    this.marks.forEach((mark, i) => {
      if (values[i] === undefined) return;
      mark.classList.remove(...[...mark.classList].filter(name => /^[hnp]\d$/.test(name)));
      if (differ) mark.classList.add((values[i] < middle ? "n" : "p") + level(Math.abs(values[i] - middle) / half));
    });
    if (differ && !isHeld) {
      this.ranges.set(name + " " + unit, [least, most]);
      this._draw();
    }
    const scale = this.find("scale");
    scale.replaceChildren(both(`unit ${unit}: `, `第 ${unit} 个：`));
    if (!values.length) return;
    scale.append(element("span", twoDigits(least) + " "));
    if (!differ) { scale.append(both("everywhere", "处处相同")); return; }
    for (let i = LEVELS; i >= 1; i -= 2) scale.append(element("i", "\u2003", "n" + i));
    for (let i = 1; i <= LEVELS; i += 2) scale.append(element("i", "\u2003", "p" + i));
    scale.append(element("span", " " + twoDigits(most)));
  }

  _bySurprise() {
    this.picked = null;
    this.find("one").hidden = true;
    const count = this.count;
    const all = this.pieces;
    this._show(all);
    this.ask("at", {count});
  }

  _hold(value) {
    const [name, unit] = this.picked, key = name + " " + unit;
    if (value === null) this.held.delete(key);
    else this.held.set(key, [name, unit, value]);
    const told = label => [...this.held.values()].map(([register, k, v]) =>
      `${this.model.plan.units.find(([own]) => own === register)[label]}: ${k} = ${twoDigits(v)}`).join("; ");
    this.find("held").replaceChildren(...(this.held.size ? [both("Held: " + told(2), "已固定：" + told(3))] : []));
    refresh(this, true);
  }

  _listen() {
    const reading = this.find("reading");
    const at = event => {
      const count = event.target.dataset && +event.target.dataset.count;
      if (count && count !== this.count) this.ask("at", {count});
    };
    reading.onclick = at;
    reading.onpointerover = event => { if (event.pointerType === "mouse") at(event); };
    reading.onpointerleave = event => {
      if (event.pointerType === "mouse" && this.pieces.length) this.ask("at", {count: this.pieces[this.pieces.length - 1][2]});
    };
    this.find("units").onclick = event => {
      const box = event.target.getBoundingClientRect();
      const k = Math.floor((event.clientY - box.top) / this.cell) * this.across + Math.floor((event.clientX - box.left) / this.cell);
      this.pick(k);
    };
    this.find("register").onchange = () => { if (this.picked) this.pick(this.picked[1]); else this._draw(); };
    this.find("unit").onchange = event => this.pick(+event.target.value);
    this.find("level").oninput = event => this._hold(+event.target.value);
    this.find("release").onclick = () => this._hold(null);
    this.find("colour").onclick = () => this._bySurprise();
    new ResizeObserver(() => this._draw()).observe(this.find("units"));
  }
}
