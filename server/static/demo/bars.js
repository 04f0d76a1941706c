// Bars of the panel: shares from the left, contributions from the middle to either side.

import { make } from "./dom.js";

/** A bar of `share` in 0..1. */
export function bar(share, className = "") {
  const fill = make("span", { className: "fill" });
  fill.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return make("span", { className: `meter ${className}`, attributes: { "aria-hidden": "true" } }, fill);
}

/** A bar of `value` in -most..most, to the right of the middle where it is positive. */
export function signedBar(value, most) {
  const fill = make("span", { className: `fill ${value < 0 ? "against" : "for"}` });
  fill.style.width = `${most ? (50 * Math.abs(value)) / most : 0}%`;
  return make("span", { className: "meter signed", attributes: { "aria-hidden": "true" } }, fill);
}
