// Elements made by script. Text is set as text, never as markup.

/** Make an element; `set` holds properties, and under `attributes` and `data` what those are. */
export function make(tag, set = {}, ...children) {
  const element = document.createElement(tag);
  const { attributes = {}, data = {}, ...properties } = set;
  Object.assign(element, properties);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  Object.assign(element.dataset, data);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The element of the page with an id. */
export function byId(id) {
  return document.getElementById(id);
}

export function percent(share, digits = 0) {
  if (share === null || share === undefined) return "–";
  const shown = 100 * share;
  return `${shown > 0 && shown < 1 && digits === 0 ? shown.toFixed(1) : shown.toFixed(digits)} %`;
}

/** A number with a minus sign as long as a plus. */
export function number(value, digits = 3) {
  return value.toFixed(digits).replace("-", "−");
}

export function signed(number, digits = 3) {
  return `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(digits)}`;
}

/** With what probability an artwork came to be shown; an unlikely one is a trial of exploration. */
export function shownWith(propensity) {
  return `${propensity < 0.1 ? "a trial, shown" : "shown"} with ${percent(propensity)}`;
}

/** Film time as h:mm:ss or m:ss. */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const two = (part) => String(part).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Run `act` once calls have paused for so many milliseconds. */
export function debounced(act, pauseMs) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...given), pauseMs);
  };
}
