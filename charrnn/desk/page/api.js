// Asks the server. A refusal becomes an error with the server's message.

import { t } from "./words.js";

async function ask(path, body, signal) {
  let answer;
  try {
    const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal };
    answer = await fetch(path, body === undefined ? { signal } : post);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(t("lost"));
  }
  if (!answer.ok) {
    const document = await answer.json().catch(() => null);
    throw new Error(document?.error?.message ?? `${answer.status}`);
  }
  return answer;
}

export async function get(path, body, signal) {
  return (await ask(path, body, signal)).json();
}

// The documents of an answer in lines, as they come.
export async function* lines(path, body, signal) {
  const reader = (await ask(path, { ...body, stream: true }, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error(t("lost"));
    }
    if (part.done) return;
    const [...whole] = (rest + part.value).split("\n");
    rest = whole.pop();
    for (const one of whole) {
      const document = JSON.parse(one);
      if (document.error) throw new Error(document.error.message);
      yield document;
    }
  }
}
