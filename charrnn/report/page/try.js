"use strict";
// The part of the page with which a person tries the models: what all columns share.

const MODELS = JSON.parse(document.getElementById("models").textContent);

/** Why no poem can be written, in both languages. */
const REFUSED = {
  "no-verse": ["This model writes no Chinese verse.", "这个模型不会写中文诗。"],
  "too-long": ["The acrostic is longer than the poem has lines.", "藏头的字数多于诗的句数。"],
  "unknown-letter": ["The acrostic has a character that the model does not know.", "藏头里有模型不认识的字。"],
  prompt: ["The text is no beginning of such a poem: empty it, or begin with its first line.", "已有文字不合此体：请清空，或从首句写起。"],
};

let columns = [], writing = false;

function tell(...what) { get("told").replaceChildren(...what); }

/** The value of a number's field within its bounds; `otherwise` where it holds none. */
function number(id, otherwise) {
  const field = get(id), value = field.value.trim() === "" ? NaN : +field.value;
  if (!Number.isFinite(value)) return otherwise;
  const low = field.min === "" ? -Infinity : +field.min, high = field.max === "" ? Infinity : +field.max;
  return Math.min(high, Math.max(low, value));
}

function settings() {
  const whole = (id, otherwise) => { const value = number(id, otherwise); return value === null ? null : Math.round(value); };
  return {
    temperature: +get("temperature").value,
    seed: whole("seed", 0),
    length: whole("length", 200),
    top_k: whole("top_k", null),
    top_p: number("top_p", 1),
    repetition_penalty: number("repetition_penalty", 1),
  };
}

function verseForm() {
  const chosen = get("form").value;
  if (!chosen) return null;
  const [length, lines] = chosen.split("x").map(Number);
  return {length, lines, acrostic: get("acrostic").value.trim()};
}

/** Reads the text again in a column, and writes on where something was written before. */
function refresh(column, again = false) {
  column.read(get("text").value, again);
  if (writing) column.write(settings(), verseForm());
}

function refreshAll() {
  tell();
  get("shown").textContent = (+get("temperature").value).toFixed(2);
  columns.forEach(column => refresh(column));
}

function changeText(text) {
  writing = false;
  get("text").value = text.slice(-get("text").maxLength);
  refreshAll();
}

function choose(indices) {
  columns.forEach(column => column.close());
  columns = indices.map(i => new Column(MODELS[i]));
  get("columns").replaceChildren(...columns.map(column => column.root));
  get("columns").dataset.count = columns.length;
  refreshAll();
}

/** Chooses a unit of a model, and shows what it does on the text that stands above the button. */
function see(button) {
  const {model, register, unit} = button.dataset, quote = button.parentNode.parentNode.querySelector(".quote");
  if (!columns.some(column => column.model === MODELS[model])) choose([+model]);
  const column = columns.find(one => one.model === MODELS[model]);
  column.find("register").value = register;
  if (quote) changeText(quote.textContent.replace(/↵\n/g, "\n").replace(/■/g, ""));
  column.pick(+unit);
  column.find("reading").scrollIntoView({behavior: "smooth", block: "center"});
}

function start() {
  const first = MODELS[0], own = first.sampling;
  get("try").hidden = false;
  get("text").value = own.prompt;
  get("temperature").value = own.temperature;
  get("length").value = Math.min(own.length, 5000);
  get("seed").value = 0;
  get("top_k").value = own.top_k === null ? "" : own.top_k;
  get("top_p").value = own.top_p;
  get("repetition_penalty").value = own.repetition_penalty;
  get("verse").hidden = !MODELS.some(model => model.ideographs.length && model.alphabet.kind === "char");
  get("text").oninput = () => { writing = false; refreshAll(); };
  for (const id of ["temperature", "seed", "length", "top_k", "top_p", "repetition_penalty"]) get(id).oninput = refreshAll;
  for (const id of ["form", "acrostic"]) get(id).oninput = () => { writing = Boolean(get("form").value) || writing; refreshAll(); };
  get("write").onclick = () => { writing = true; refreshAll(); };
  get("stop").onclick = () => columns.forEach(column => column.ask("stop"));
  get("again").onclick = () => { writing = true; get("seed").value = Math.floor(Math.random() * 1000000); refreshAll(); };
  for (const button of document.querySelectorAll("button.see")) button.onclick = () => see(button);
  get("take").onclick = () => { if (columns[0]) changeText(columns[0].pieces.map(piece => piece[0]).join("")); };
  if (MODELS.length > 1) {
    const pick = [0, 1].map(i => {
      const box = element("select");
      MODELS.forEach((model, k) => box.append(new Option(model.name, k)));
      if (i) box.append(new Option("—", ""));
      box.value = i;
      box.onchange = () => choose(pick.map(one => one.value).filter(value => value !== "").map(Number));
      return box;
    });
    get("choice").hidden = false;
    get("choice").append(both("Side by side: ", "并排比较："), ...pick);
  }
  choose(MODELS.length > 1 ? [0, 1] : [0]);
}

document.addEventListener("themechange", () => columns.forEach(column => column._draw()));
document.addEventListener("languagechange", () => columns.forEach(column => column.speak()));
if (MODELS.length) start();
