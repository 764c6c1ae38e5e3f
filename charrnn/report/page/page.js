"use strict";
// The language and the colours of the page.

(() => {
  const root = document.documentElement;
  root.lang = (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
  document.getElementById("language").onclick = () => {
    root.lang = root.lang === "en" ? "zh" : "en";
    document.dispatchEvent(new Event("languagechange"));
  };
  document.getElementById("theme").onclick = () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    document.dispatchEvent(new Event("themechange"));
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("themechange")));
})();
