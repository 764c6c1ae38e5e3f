// The desk: joins the form, the sheets, the choices and the drafts.

import { get } from "./api.js";
import { Choices } from "./choices.js";
import * as drafts from "./drafts.js";
import * as settings from "./settings.js";
import { field } from "./settings.js";
import { Sheet } from "./sheet.js";
import { language, speak, t } from "./words.js";

const DESK = "charrnn.desk";
const element = (id) => document.getElementById(id);
const form = element("ask");

class Page {
  async open() {
    const before = settings.read(DESK) ?? {};
    this.prefer(before);
    this.choices = new Choices(this);
    try {
      this.runs = (await get("api/runs")).runs;
    } catch (error) {
      this.say(error.message);
      return;
    }
    this.fill();
    settings.restore(form, () => this.arrange());
    this.sheets = [];
    const second = this.runs.find((one, i) => i > 0 && one.writes) ?? this.runs[0];
    for (const [i, run] of [this.runs.find((one) => one.writes), second].entries()) {
      const kept = before.sheets?.[i] ?? {};
      const known = this.runs.some((one) => one.name === kept.run && one.writes);
      const sheet = new Sheet(this, known ? kept.run : run?.name);
      this.sheets.push(sheet);
      element("sheets").append(sheet.element);
      if (Array.isArray(kept.characters)) sheet.show(kept.characters);
    }
    this.arrange();
    this.showDrafts();
    this.listen();
    this.ready = true;
    document.body.dataset.ready = "";
  }

  prefer(before) {
    const wanted = before.language ?? (navigator.language.startsWith("zh") ? "zh" : "en");
    element("language").value = wanted;
    element("theme").value = before.theme ?? "";
    speak(wanted);
    this.colours();
    element("language").addEventListener("change", () => {
      speak(element("language").value);
      for (const sheet of this.sheets ?? []) {
        sheet.describe();
        sheet.word();
        sheet.show(sheet.characters);
      }
      this.showDrafts();
      this.remember();
    });
    element("theme").addEventListener("change", () => {
      this.colours();
      this.remember();
    });
  }

  colours() {
    document.documentElement.dataset.theme = element("theme").value;
  }

  // The defaults are those of the first run.
  fill() {
    const sampling = (this.runs.find((one) => one.writes) ?? this.runs[0]).sampling;
    field(form, "prompt").value = sampling.prompt;
    for (const name of ["length", "temperature", "top_k", "top_p", "repetition_penalty"])
      field(form, name).value = sampling[name] ?? "";
    field(form, "warmth").value = sampling.temperature;
    get("api/forms").then(({ regulated, ci }) => {
      const option = ({ name, title }) => Object.assign(document.createElement("option"), { value: title, label: name });
      element("forms").append(...[...regulated, ...ci].map(option));
    }, () => {});
  }

  listen() {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.write(this.shown());
    });
    field(form, "warmth").addEventListener("input", () => (field(form, "temperature").value = field(form, "warmth").value));
    field(form, "temperature").addEventListener("input", () => (field(form, "warmth").value = field(form, "temperature").value));
    element("stop").addEventListener("click", () => this.stop());
    element("export").addEventListener("click", drafts.exported);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.write(this.shown());
      if (event.key === "Escape" && this.choices.element.hidden) this.stop();
    });
  }

  shown() {
    return field(form, "two").checked ? this.sheets : this.sheets.slice(0, 1);
  }

  arrange() {
    this.sheets?.forEach((sheet, i) => (sheet.element.hidden = i > 0 && !field(form, "two").checked));
    document.body.classList.toggle("plain", !field(form, "colour").checked);
    document.body.classList.toggle("underlined", field(form, "underline").checked);
    document.body.classList.toggle("two", field(form, "two").checked);
  }

  write(sheets) {
    this.choices.close();
    this.say(t("writing"));
    for (const sheet of sheets) sheet.write(field(form, "prompt").value);
  }

  stop() {
    for (const sheet of this.sheets) sheet.stop();
  }

  busy() {
    element("stop").disabled = !this.sheets.some((sheet) => sheet.stopping);
  }

  underlines() {
    return field(form, "underline").checked && !field(form, "underline").disabled;
  }

  // Without the text that the model learnt from nothing can be compared with it.
  cannotUnderline(why) {
    field(form, "underline").disabled = true;
    field(form, "underline").parentElement.title = why;
  }

  asked() {
    return settings.asked(form);
  }

  verse() {
    return settings.verse(form);
  }

  begin(text) {
    field(form, "prompt").value = text;
    form.dispatchEvent(new Event("input"));
    field(form, "prompt").focus();
  }

  keep(text, run) {
    this.say(drafts.add(text, run) ? t("keptNow") : t("full"));
    this.showDrafts();
  }

  showDrafts() {
    drafts.show(element("drafts"), (text) => this.begin(text));
  }

  say(text) {
    element("said").textContent = text;
  }

  // What lies on the desk is there again when the page is.
  remember() {
    if (!this.ready) return;
    const sheets = this.sheets.map((sheet) => ({ run: sheet.select.value, characters: sheet.characters }));
    settings.keep(DESK, { language, theme: element("theme").value, sheets });
  }
}

new Page().open();
