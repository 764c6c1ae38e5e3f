// Drafts, which stay in this browser.

import { keep, read } from "./settings.js";
import { t } from "./words.js";

const KEY = "charrnn.drafts";

const all = () => {
  const found = read(KEY);
  return Array.isArray(found) ? found.filter((one) => typeof one?.text === "string") : [];
};

// Whether there was room.
export function add(text, run) {
  return keep(KEY, [{ text, run, when: new Date().toISOString() }, ...all()]);
}

export function show(list, open) {
  list.replaceChildren(
    ...all().map((draft, i) => {
      const item = document.createElement("li");
      const text = document.createElement("p");
      text.textContent = draft.text;
      const about = document.createElement("small");
      about.textContent = `${draft.run ?? ""} · ${draft.when?.slice(0, 16).replace("T", " ") ?? ""}`;
      const buttons = document.createElement("div");
      buttons.className = "buttons";
      buttons.append(
        button(t("open"), draft.text, () => open(draft.text)),
        button(t("remove"), draft.text, () => {
          keep(KEY, all().filter((_, j) => j !== i));
          show(list, open);
          list.querySelector("button")?.focus();
        }),
      );
      item.append(text, about, buttons);
      return item;
    }),
  );
}

function button(word, text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = word;
  made.setAttribute("aria-label", `${word}: ${text.slice(0, 20)}`);
  made.addEventListener("click", act);
  return made;
}

// A file of all drafts, with an empty line between.
export function exported() {
  const text = all().map((one) => one.text.trimEnd()).join("\n\n") + "\n";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  link.download = "drafts.txt";
  link.click();
  URL.revokeObjectURL(link.href);
}
