// The weights that move scores most.

import { choice } from "./choice.js";
import { byId, fill, h, table } from "./dom.js";
import { count, digits } from "./format.js";
import { panel, sourceLinks } from "./panel.js";
import { SURFACES, SURFACE_NAMES } from "./share_words.js";

const LISTED = 25;

export function startWeights() {
  const feeds = new Map();
  const surface = choice(byId("weights-choices"), "weights", "Surface", SURFACES.map((one) => [one, SURFACE_NAMES[one]]), show);

  function show() {
    const path = `/v1/weights/${surface.value}`;
    if (feeds.has(path)) {
      fill(byId("weights").querySelector(".body"));
      feeds.get(path).again();
      sourceLinks(byId("weights"), [path]);
      return;
    }
    const feed = panel("weights", path, {
      everyMs: 10_000,
      nothing: "Weights appear once a model is served.",
      render: (answer) => (answer.surface === surface.value ? weightsTable(answer) : undefined),
    });
    feeds.set(path, feed);
  }

  show();
}

function weightsTable({ surface, weights, named, unnamed, snapshot }) {
  if (!weights.length) return null;
  const most = Math.max(...weights.map((one) => Math.abs(one.weight)));
  const columns = [{ head: "Feature" }, { head: "Weight", wide: true }, { head: "±", number: true }];
  const body = weights.slice(0, LISTED).map((one) => [
    h("span", { class: "feature", text: readable(one.feature) }),
    h("div", { class: "measured" }, diverging(one.weight, most), h("span", { class: "figures", text: digits(one.weight, 3) })),
    one.deviation === null || one.deviation === undefined ? "–" : digits(one.deviation, 2),
  ]);
  return [
    table(`${SURFACE_NAMES[surface]}: the ${body.length} that move scores most`, columns, body, { hidden: true }),
    h("p", { class: "note figures", text: `Snapshot ${snapshot ?? "none"}; ${count(named)} weights have names, ${count(unnamed)} do not.` }),
  ];
}

/** Break long names where people would. */
const readable = (name) => name.replaceAll(" × ", " × ");

function diverging(value, most) {
  const part = (50 * Math.abs(value)) / most;
  const left = value < 0 ? 50 - part : 50;
  return h(
    "span",
    { class: "diverging" },
    h("span", { class: value < 0 ? "less" : "more", style: { left: `${left.toFixed(1)}%`, width: `${part.toFixed(1)}%` } }),
  );
}
