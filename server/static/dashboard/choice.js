// A choice of a few, as a row of buttons of which one is pressed; remembered in this browser.

import { fill, h } from "./dom.js";

/** Put a choice at the end of `room`; `options` are [value, words]. Returns an object: its value. */
export function choice(room, name, label, options, chosen) {
  const kept = localStorage.getItem(`marquee.${name}`);
  const known = options.some(([value]) => value === kept);
  const state = { value: known ? kept : options[0][0] };
  const group = h("div", { class: "choice", role: "group", "aria-label": label });

  function show() {
    fill(
      group,
      options.map(([value, words]) =>
        h("button", {
          type: "button",
          "data-value": value,
          "aria-pressed": String(value === state.value),
          text: words,
        }),
      ),
    );
  }

  group.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    state.value = button.dataset.value;
    localStorage.setItem(`marquee.${name}`, state.value);
    show();
    chosen();
  });
  show();
  room.append(group);
  return state;
}
