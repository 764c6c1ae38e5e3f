// The form: what is asked of the server, and its memory in the browser.

const KEY = "charrnn.settings";
const TEXTS = ["form", "rhyme", "acrostic"];
const NUMBERS = ["temperature", "length", "seed", "top_k", "top_p", "repetition_penalty"];

// A field of a form. `form.elements.length` would be their number.
export const field = (form, name) => form.elements.namedItem(name);

export const read = (key) => {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null; // nothing there, nothing readable, or storage is not allowed
  }
};

// Whether it could be kept.
export const keep = (key, value) => {
  try {
    localStorage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
};

// What the form asks for; fields that are empty are left to the server.
export function asked(form) {
  const found = verse(form);
  for (const name of NUMBERS) if (field(form, name).value !== "") found[name] = Number(field(form, name).value);
  found.unknown = field(form, "unknown").value;
  return found;
}

// What a text is to keep, as the next characters are asked with too.
export function verse(form) {
  const found = {};
  for (const name of TEXTS) if (field(form, name).value.trim()) found[name] = field(form, name).value.trim();
  if (field(form, "tones").checked) found.tones = true;
  if (field(form, "original").value !== "") found.original = Number(field(form, "original").value);
  return found;
}

export function restore(form, onChange) {
  const before = read(KEY) ?? {};
  for (const one of form.querySelectorAll("input, textarea, select")) {
    const name = one.name || one.id;
    if (name in before) {
      if (one.type === "checkbox") one.checked = before[name];
      else one.value = before[name];
    }
  }
  form.addEventListener("input", () => {
    const now = {};
    for (const one of form.querySelectorAll("input, textarea, select"))
      now[one.name || one.id] = one.type === "checkbox" ? one.checked : one.value;
    keep(KEY, now);
    onChange();
  });
}
