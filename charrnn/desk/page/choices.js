// What else was likely in the place of a character: a list beside it, or at the foot of a small screen.

import { get } from "./api.js";
import { t } from "./words.js";

const COUNT = 10;
const HOVER = 180; // milliseconds

export class Choices {
  constructor(page) {
    this.page = page;
    this.element = document.getElementById("choices");
    this.list = this.element.querySelector("ul");
    this.what = this.element.querySelector(".what");
    this.field = this.element.querySelector("input");
    this.element.querySelector(".close").addEventListener("click", () => this.close(true));
    this.element.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.field.value) this.take(this.field.value);
    });
    this.element.addEventListener("pointerenter", () => clearTimeout(this.timer));
    this.element.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.leave());
    this.element.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("pointerdown", (event) => {
      if (!this.element.hidden && !this.element.contains(event.target) && !event.target.closest(".text")) this.close();
    });
  }

  soon(sheet, i) {
    clearTimeout(this.timer);
    if (!this.element.hidden && this.firm) return;
    this.timer = setTimeout(() => this.open(sheet, i, false), HOVER);
  }

  leave() {
    clearTimeout(this.timer);
    if (!this.firm) this.timer = setTimeout(() => this.close(), 2 * HOVER);
  }

  // `firm`: by a key or a tap, with the focus in the list, until it is closed.
  async open(sheet, i, firm) {
    clearTimeout(this.timer);
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    Object.assign(this, { sheet, i, firm });
    const span = sheet.look(i);
    const body = { ...this.page.verse(), run: sheet.select.value, text: sheet.string(i), count: COUNT };
    let found = [];
    let fault = "";
    try {
      found = (await get("api/next", body, asking.signal)).next;
    } catch (error) {
      if (error.name === "AbortError") return;
      fault = error.message;
    }
    const here = sheet.characters[i];
    if (asking.signal.aborted || !here) return;
    const shown = here.text === "\n" ? "↵" : here.text;
    const bits = here.bits === undefined ? "" : ` · ${here.bits.toFixed(1)} ${t("bits")}`;
    this.what.textContent = fault || `${shown}${here.by === "you" ? ` · ${t("yours")}` : ""}${bits}`;
    this.list.replaceChildren(...found.map((one) => this.choice(one, here.text)));
    this.field.value = "";
    this.element.classList.toggle("firm", firm);
    this.element.hidden = false;
    this.place(span);
    if (firm) (this.list.querySelector("button") ?? this.field).focus();
  }

  choice(one, here) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    const word = one.text === "" ? t("textEnd") : one.text === "\n" ? "↵" : one.text === " " ? "␣" : one.text;
    const percent = 100 * one.probability;
    const number = document.createElement("small");
    number.textContent = `${percent < 10 ? percent.toFixed(1) : percent.toFixed(0)} %`;
    button.append(word, " ", number);
    button.style.setProperty("--p", one.probability.toFixed(3));
    if (one.text === here) button.setAttribute("aria-current", "true");
    if (one.text === "\n") button.setAttribute("aria-label", `${t("lineEnd")}, ${number.textContent}`);
    button.addEventListener("click", () => this.take(one.text, -Math.log2(one.probability)));
    item.append(button);
    return item;
  }

  take(text, bits) {
    const { sheet, i } = this;
    this.close();
    if (text === "") {
      sheet.show(sheet.characters.slice(0, i)); // the text ends here
      this.page.remember();
      sheet.text.focus();
    } else sheet.choose(i, text, bits);
  }

  close(back = false) {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.element.hidden = true;
    this.firm = false;
    if (back) this.sheet?.text.focus();
  }

  key(event) {
    const buttons = [...this.list.querySelectorAll("button")];
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") this.close(true);
    else if (step && event.target !== this.field && buttons.length) {
      const at = buttons.indexOf(document.activeElement);
      buttons[(at + step + buttons.length) % buttons.length].focus();
    } else return;
    event.preventDefault();
  }

  // Beside its character where there is room; the style sheet puts it at the foot of a small screen.
  place(span) {
    const at = span.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - width - 8));
    const below = at.bottom + 6 + height < window.innerHeight || at.top < height;
    this.element.style.setProperty("--left", `${left + window.scrollX}px`);
    this.element.style.setProperty("--top", `${(below ? at.bottom + 6 : at.top - height - 6) + window.scrollY}px`);
  }
}
