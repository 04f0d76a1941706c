// The switch between the system's colours, light and dark.

import { byId } from "./dom.js";

const KEY = "marquee.theme";
const NEXT = { system: "light", light: "dark", dark: "system" };

/** Wire the switch; `changed` is called whenever the colours are other ones. */
export function startTheme(changed) {
  const button = byId("theme");
  const root = document.documentElement;

  function show() {
    const now = root.dataset.theme ?? "system";
    button.textContent = `Theme: ${now}`;
    button.setAttribute("aria-label", `Theme: ${now}. Switch to ${NEXT[now]}`);
  }

  button.addEventListener("click", () => {
    const next = NEXT[root.dataset.theme ?? "system"];
    if (next === "system") {
      delete root.dataset.theme;
      localStorage.removeItem(KEY);
    } else {
      root.dataset.theme = next;
      localStorage.setItem(KEY, next);
    }
    show();
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  show();
}
