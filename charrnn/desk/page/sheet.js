// A text that grows: its characters with their surprise, and one of them that is looked at.

import { get, lines } from "./api.js";
import { t, translate } from "./words.js";

const MOST = 14; // the bits from which on a character is wholly red

let made = 0;

export class Sheet {
  // `page` gives the runs, what is asked, the choices, and says things.
  constructor(page, run) {
    this.page = page;
    this.id = made++;
    this.characters = []; // { text, bits, by: "you" or "model", copied }
    this.at = -1;
    this.told = []; // what the note says: functions, which word it in the language of the page
    this.element = document.getElementById("sheet").content.firstElementChild.cloneNode(true);
    translate(this.element);
    this.text = this.element.querySelector(".text");
    this.note = this.element.querySelector(".note");
    this.select = this.element.querySelector(".run");
    for (const one of page.runs) {
      const option = new Option(one.writes ? one.name : `${one.name} ${t("fills")}`, one.name);
      option.disabled = !one.writes;
      this.select.add(option);
    }
    if (run) this.select.value = run;
    this.select.addEventListener("change", () => this.describe());
    this.describe();
    const on = (name, act) => this.element.querySelector(`.${name}`).addEventListener("click", act);
    on("on", () => this.write(this.string(), this.characters));
    on("again", () => this.page.write([this]));
    on("begin", () => this.page.begin(this.string()));
    on("judge", () => this.judge());
    on("copy", () => navigator.clipboard.writeText(this.string()).then(() => this.page.say(t("copied"))));
    this.element.querySelector(".copy").hidden = !navigator.clipboard; // a page of another machine may not, over http
    on("keep", () => this.page.keep(this.string(), this.select.value));
    this.listen();
  }

  get run() {
    return this.page.runs.find((one) => one.name === this.select.value) ?? this.page.runs[0];
  }

  describe() {
    const run = this.run;
    const bits = run.bits_per_char ? ` · ${run.bits_per_char.toFixed(2)} ${t("bits")}` : "";
    this.element.querySelector(".about").textContent = `${run.model}${bits} · ${t("characters", run.characters)}`;
    this.page.remember();
  }

  string(end = this.characters.length) {
    return this.characters.slice(0, end).map((one) => one.text).join("");
  }

  // Writes on from a beginning, whose characters may be known already.
  async write(prompt, known = null) {
    this.stop();
    const stopping = (this.stopping = new AbortController());
    this.page.busy();
    this.tell();
    this.element.setAttribute("aria-busy", "true");
    try {
      const body = { ...this.page.asked(), run: this.select.value, prompt };
      this.asked = body;
      let first = true;
      for await (const line of lines("api/sample", body, stopping.signal)) {
        if (first) {
          first = false;
          this.begin(line, known);
        } else this.take(line);
      }
      this.page.say(t("written") + this.string());
      if (this.characters.length) await this.mark(stopping.signal);
    } catch (error) {
      const told = error.name === "AbortError" ? t("stopped") : error.message;
      if (this.stopping === stopping && error.name !== "AbortError") this.tell(() => told);
      this.page.say(told);
    } finally {
      if (this.stopping === stopping) {
        this.stopping = null;
        this.element.removeAttribute("aria-busy");
      }
      this.page.busy();
      this.page.remember();
    }
  }

  stop() {
    this.stopping?.abort();
    this.stopping = null;
  }

  begin(line, known) {
    const shown = [...line.prompt];
    const same = known && known.length === shown.length && known.every((one, i) => one.text === shown[i]);
    this.show(same ? known : shown.map((text) => ({ text, by: "you" })));
    this.tell(() => t("seedWas", line.seed), ...(line.note ? [() => line.note] : []));
  }

  take(line) {
    this.add([...line.text].map((text, i) => ({ text, bits: line.bits[i], by: "model" })));
    if (line.end === "closed") this.tell(...this.told, () => t("closed"));
    if (line.constraint_bits === undefined) return;
    const { form, original } = this.asked;
    const kept = form && original ? "both" : original ? "noCopies" : "theForm";
    this.tell(...this.told, () => t("price", line.constraint_bits.toFixed(2), t(kept)));
  }

  tell(...told) {
    this.told = told;
    this.word();
  }

  // Words the note, anew in another language.
  word() {
    this.note.textContent = this.told.map((one) => one()).join(" · ");
  }

  show(characters) {
    this.characters = [];
    this.text.replaceChildren();
    this.look(-1);
    this.add(characters);
  }

  add(characters) {
    this.text.append(...characters.map((one, i) => this.drawn(one, this.characters.length + i)));
    this.characters = [...this.characters, ...characters];
  }

  drawn(one, i) {
    const span = document.createElement("span");
    span.id = `c${this.id}-${i}`;
    span.setAttribute("role", "option");
    span.setAttribute("aria-selected", "false");
    span.textContent = one.text;
    const name = one.text === "\n" ? t("lineEnd") : one.text;
    const bits = one.bits === undefined ? "" : `, ${one.bits.toFixed(1)} ${t("bits")}`;
    span.setAttribute("aria-label", `${name}${one.by === "you" ? `, ${t("yours")}` : bits}`);
    span.className = one.by === "you" ? "you" : "";
    if (one.text === "\n") span.classList.add("line");
    if (one.copied) span.classList.add("copied");
    if (one.bits !== undefined) span.style.setProperty("--surprise", Math.min(1, one.bits / MOST).toFixed(2));
    return span;
  }

  // The character that is looked at, by keys or pointer; -1 for none.
  look(i) {
    this.text.children[this.at]?.setAttribute("aria-selected", "false");
    this.at = i;
    const span = this.text.children[i];
    span?.setAttribute("aria-selected", "true");
    if (span) this.text.setAttribute("aria-activedescendant", span.id);
    else this.text.removeAttribute("aria-activedescendant");
    return span;
  }

  listen() {
    const place = (event) => [...this.text.children].indexOf(event.target.closest("[role=option]"));
    this.text.addEventListener("click", (event) => {
      const i = place(event);
      if (i >= 0) this.page.choices.open(this, i, true);
    });
    this.text.addEventListener("pointerover", (event) => {
      const i = place(event);
      if (event.pointerType === "mouse" && i >= 0 && !this.stopping) this.page.choices.soon(this, i);
    });
    this.text.addEventListener("pointerleave", () => this.page.choices.leave());
    this.text.addEventListener("keydown", (event) => {
      const last = this.characters.length - 1;
      const to = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0, End: last }[event.key];
      if (event.key === "ArrowUp" || event.key === "ArrowDown") this.lineAway(event.key === "ArrowUp" ? -1 : 1);
      else if (to !== undefined) this.look(Math.max(0, Math.min(last, to)))?.scrollIntoView({ block: "nearest" });
      else if ((event.key === "Enter" || event.key === " ") && this.at >= 0) this.page.choices.open(this, this.at, true);
      else return;
      event.preventDefault();
    });
  }

  // Looks at the character above or below, in the line before or after.
  lineAway(step) {
    const here = this.text.children[Math.max(0, this.at)]?.getBoundingClientRect();
    if (!here) return;
    const boxes = [...this.text.children].map((span) => span.getBoundingClientRect());
    const rows = [...new Set(boxes.map((box) => box.top))].sort((a, b) => a - b);
    const row = rows[rows.indexOf(here.top) + step];
    if (row === undefined) return;
    const near = boxes.map((box, i) => [box.top === row ? Math.abs(box.left - here.left) : Infinity, i]);
    this.look(near.reduce((a, b) => (b[0] < a[0] ? b : a))[1])?.scrollIntoView({ block: "nearest" });
  }

  // Writes on from another character in the place of one.
  choose(i, text, bits) {
    const own = [...text].map((one, j) => ({ text: one, bits: j ? undefined : bits, by: "you" }));
    const known = [...this.characters.slice(0, i), ...own];
    this.text.focus();
    return this.write(known.map((one) => one.text).join(""), known);
  }

  async judge() {
    const form = this.page.verse().form;
    try {
      const { poems } = await get("api/verse", { text: this.string(), ...(form ? { form } : {}) });
      this.tell(() => poems.map((one) => {
        const faults = one.faults.map((fault) => [fault.name, fault.line || "", ...fault.places].join(" ").trim());
        return `${one.form || ""} ${one.right ? t("right") : faults.join("，")}\n${one.tones.join("　")}`.trim();
      }).join("\n"));
    } catch (error) {
      this.tell(() => error.message);
    }
    this.page.say(this.note.textContent);
  }

  // Marks what stands in a run that the training text has too, of as many characters as were not to be copied,
  // or as is usual for the run.
  async mark(signal) {
    if (!this.page.underlines()) return;
    const given = this.characters.findIndex((one) => one.by === "model");
    const text = this.string();
    try {
      const { depths } = await get("api/novelty", { run: this.select.value, text, given: Math.max(0, given) }, signal);
      if (text !== this.string()) return;
      const least = this.asked.original ?? this.run.copied_from;
      this.show(this.characters.map((one, i) => ({ ...one, copied: depths[i] >= least })));
      const written = this.characters.slice(Math.max(0, given));
      const share = written.filter((one) => one.copied).length / Math.max(1, written.length);
      this.tell(...this.told, () => t("share", (100 * share).toFixed(0), least));
    } catch (error) {
      if (error.name !== "AbortError") this.page.cannotUnderline(error.message);
    }
  }
}
