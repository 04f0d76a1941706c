// An estimate with its range, drawn as a bar on a common scale, and told in figures beside it.

import { h } from "./dom.js";
import { percent } from "./format.js";

/** Figures alone: 4.2 % (3.9–4.6). */
export function inFigures(range, after = 1) {
  if (!range) return "–";
  const ends = [range.low, range.high].map((end) => (100 * end).toFixed(after));
  return `${percent(range.value, after)} (${ends.join("–")})`;
}

/**
 * A bar from `low` to `high` with a mark at `value`, on a scale from 0 to `most`.
 *
 * `kind` is the share's name, which colours it.
 */
export function bar(range, most, kind = "learned") {
  const at = (value) => `${Math.max(0, Math.min(100, (100 * value) / most)).toFixed(2)}%`;
  if (!range || !(most > 0)) return h("span", { class: "range" });
  const width = `${Math.max(0.5, (100 * (Math.min(range.high, most) - range.low)) / most).toFixed(2)}%`;
  return h(
    "span",
    { class: `range ${kind}`, role: "img", "aria-label": inFigures(range) },
    h("span", { class: "span", style: { left: at(range.low), width } }),
    h("span", { class: "mark", style: { left: at(range.value) } }),
  );
}

/** A scale's end that holds the ranges: wide ones do not squeeze the others. */
export function scaleFor(ranges) {
  const there = ranges.filter(Boolean);
  if (!there.length) return 0;
  const values = Math.max(...there.map((range) => range.value));
  const ends = Math.max(...there.map((range) => range.high));
  return Math.min(ends, Math.max(3 * values, 1e-6)) * 1.02;
}
