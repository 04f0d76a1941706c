// The controls of the visit's context, and whom one is.

import { change, contextOf, partOfDay } from "./context.js";
import { byId, make } from "./dom.js";
import { state, tell } from "./state.js";

/** Draw everything; `tell("context")` follows each change. */
export function drawControls() {
  byId("controls").replaceChildren(...state.page.controls.map(draw));
  byId("controls").onsubmit = (event) => event.preventDefault();
  showControls();
}

function draw(control) {
  if (control.kind === "hour") return drawHour(control);
  if (control.kind === "few") return drawFew(control);
  return control.values.length > 4 ? drawSelect(control) : drawSegments(control);
}

function drawHour(control) {
  const slider = make("input", {
    type: "range",
    id: "hour",
    min: 0,
    max: 23,
    step: 1,
    oninput: () => {
      change("hour", Number(slider.value));
      showControls();
    },
  });
  return make(
    "div",
    { className: "control" },
    make("label", { htmlFor: "hour", textContent: control.label }),
    slider,
    make("output", { id: "hour-told", htmlFor: "hour" }),
  );
}

function drawSelect(control) {
  const id = `control-${control.name}`;
  const select = make(
    "select",
    { id, name: control.name, onchange: () => change(control.name, select.value) },
    ...control.values.map(({ value, label }) => make("option", { value, textContent: label })),
  );
  return make(
    "div",
    { className: "control" },
    make("label", { htmlFor: id, textContent: control.label }),
    select,
  );
}

function drawSegments(control) {
  const parts = control.values.map(({ value, label }) =>
    make(
      "label",
      {},
      make("input", {
        type: "radio",
        name: control.name,
        value,
        onchange: () => change(control.name, value),
      }),
      make("span", { textContent: label }),
    ),
  );
  return make(
    "fieldset",
    { className: "control" },
    make("legend", { textContent: control.label }),
    make("span", { className: "segments" }, ...parts),
  );
}

function drawFew(control) {
  const choose = (value, isOn) => {
    const chosen = contextOf(state.viewer)[control.name].filter((one) => one !== value);
    if (isOn) chosen.push(value);
    change(control.name, chosen.slice(-control.most));
    showControls();
  };
  const chips = control.values.map(({ value, label }) => {
    const box = make("input", {
      type: "checkbox",
      name: control.name,
      value,
      onchange: () => choose(value, box.checked),
    });
    return make("label", {}, box, make("span", { textContent: label }));
  });
  return make(
    "fieldset",
    { className: "control" },
    make("legend", { textContent: `${control.label}: the ${control.most} last chosen` }),
    make("span", { className: "chips" }, ...chips),
  );
}

/** Set every control to the viewer's context. */
export function showControls() {
  const context = contextOf(state.viewer);
  const form = byId("controls");
  for (const input of form.querySelectorAll("select")) input.value = context[input.name];
  for (const input of form.querySelectorAll("input[type=radio]")) {
    input.checked = context[input.name] === input.value;
  }
  for (const input of form.querySelectorAll("input[type=checkbox]")) {
    input.checked = context[input.name].includes(input.value);
  }
  const hour = state.hours.get(state.viewer.id);
  const slider = byId("hour");
  slider.value = hour;
  slider.style.setProperty("--done", `${(100 * hour) / 23}%`);
  slider.setAttribute("aria-valuetext", `${hour} o'clock, ${partOfDay(hour)}`);
  byId("hour-told").textContent = `${String(hour).padStart(2, "0")}:00, ${partOfDay(hour)}`;
  byId("viewer-about").textContent = state.viewer.about;
}

export function drawViewers() {
  byId("viewers").replaceChildren(
    ...state.page.viewers.map((viewer) =>
      make(
        "label",
        { title: viewer.about },
        make("input", {
          type: "radio",
          name: "viewer",
          value: viewer.id,
          checked: viewer === state.viewer,
          onchange: () => {
            state.viewer = viewer;
            showControls();
            tell("context");
          },
        }),
        make(
          "span",
          { className: "viewer" },
          make("span", {
            className: "face",
            textContent: viewer.name[0],
            attributes: { "aria-hidden": "true" },
          }),
          make("span", { className: "viewer-name", textContent: viewer.name }),
        ),
      ),
    ),
  );
}
