// The charts over time, and what is chosen for all of them.

import { Chart, areChartsHere } from "./charts.js";
import { choice } from "./choice.js";
import { byId, h } from "./dom.js";
import { bits, digits, duration, percent, short } from "./format.js";
import { panel } from "./panel.js";
import { SHARES, SHARE_COLOURS, SHARE_DASHES, SHARE_NAMES, SURFACES, SURFACE_NAMES } from "./share_words.js";
import { movingMeans, movingRates } from "./smoothing.js";

const INSIGHTS = "/v1/insights";
const MEASURES = {
  take: { words: "Take fraction", part: "plays", unit: percent, about: "plays a display" },
  click: { words: "Click rate", part: "clicks", unit: percent, about: "clicks a display" },
  reward: { words: "Reward rate", part: "reward", unit: (value) => digits(value, 3), about: "reward a display" },
};
const SURFACE_COLOURS = { artwork: "--series-1", rows: "--series-4" };
const NOTHING = "Lines appear once the first decisions’ reward windows are over.";

/** Start the charts. */
export function startOverTime() {
  const room = byId("time-choices");
  let feed = null;
  const again = () => feed?.again();
  const chosen = {
    surface: choice(room, "surface", "Surface", SURFACES.map((one) => [one, SURFACE_NAMES[one]]), again),
    measure: choice(room, "measure", "Measure", Object.entries(MEASURES).map(([value, { words }]) => [value, words.split(" ")[0]]), again),
    smoothing: choice(room, "smoothing", "Smoothing", [["60", "1 min mean"], ["300", "5 min"], ["900", "15 min"], ["0", "raw"]], again),
    span: choice(room, "span", "Span", [["900", "last 15 min"], ["3600", "1 h"], ["0", "all"]], again),
    form: areChartsHere() ? choice(room, "form", "Form", [["charts", "Charts"], ["tables", "Tables"]], again) : { value: "tables" },
  };
  if (!areChartsHere()) {
    room.append(h("p", { class: "note", text: "Charts are not installed here (`make assets`): tables." }));
  }
  const draw = {
    rates: rates(chosen), entropy: entropy(), throughput: throughput(), lag: lag(), age: age(),
  };
  for (const [id, one] of Object.entries(draw)) {
    const chart = new Chart(h("div", { class: "chart" }), one);
    feed = panel(id, INSIGHTS, {
      nothing: NOTHING,
      render: (answer, body) => {
        const from = firstShown(answer, Number(chosen.span.value));
        const at = answer.series.at.slice(from);
        if (!at.length) return null;
        const width = Math.max(1, Math.round(Number(chosen.smoothing.value) / answer.interval_s));
        const lines = one.lines(answer, width).map((line) => ({ ...line, values: line.values.slice(from) }));
        if (chart.room.parentNode !== body) body.replaceChildren(chart.room);
        chart.show(at, lines, { asTable: chosen.form.value === "tables", caption: one.captionFor?.() });
        return undefined;
      },
    });
  }
}

function firstShown(answer, span) {
  if (!span) return 0;
  const from = answer.series.at.findIndex((start) => start >= answer.at - span);
  return from < 0 ? answer.series.at.length : from;
}

function rates(chosen) {
  const measure = () => MEASURES[chosen.measure.value];
  return {
    height: 230,
    unit: (value) => measure().unit(value),
    caption: "Take fraction by share",
    captionFor: () => {
      const { words, about } = measure();
      const heading = `${words}: ${about}, ${SURFACE_NAMES[chosen.surface.value].toLowerCase()}`;
      byId("rates-title").textContent = heading;
      return heading;
    },
    lines: ({ series }, width) => {
      const shares = series.surfaces[chosen.surface.value]?.shares ?? {};
      return SHARES.filter((share) => shares[share]).map((share) => ({
        label: SHARE_NAMES[share],
        token: SHARE_COLOURS[share],
        dash: SHARE_DASHES[share],
        values: movingRates(shares[share][measure().part], shares[share].displays, width),
      }));
    },
  };
}

function entropy() {
  return {
    height: 230,
    caption: "Openness of what is chosen, in bits a display",
    unit: bits,
    lines: ({ series }, width) =>
      SURFACES.filter((surface) => series.surfaces[surface]).map((surface) => ({
        ...surfaceLine(surface),
        values: movingMeans(series.surfaces[surface].entropy_bits, width),
      })),
  };
}

function throughput() {
  const line = (label, token, dash, values, answer, width) => ({
    label, token, dash, values: movingMeans(values.map((value) => value / answer.interval_s), width),
  });
  return {
    caption: "Outcomes joined and examples learned a second",
    unit: (value) => (value === null || value === undefined ? "–" : `${short(value)}/s`),
    lines: (answer, width) => [
      line("examples", "--series-3", [], answer.series.examples, answer, width),
      line("outcomes", "--series-5", [7, 4], answer.series.outcomes, answer, width),
    ],
  };
}

function lag() {
  return {
    caption: "How far the learner is behind the log",
    unit: duration,
    lines: ({ series }, width) => [
      { label: "lag", token: "--series-6", dash: [], values: movingMeans(series.lag_s, width) },
    ],
  };
}

function age() {
  return {
    caption: "Age of the models that the learner published last",
    unit: duration,
    lines: ({ series }, width) =>
      SURFACES.filter((surface) => series.model_age_s[surface]).map((surface) => ({
        ...surfaceLine(surface),
        values: movingMeans(series.model_age_s[surface], width),
      })),
  };
}

function surfaceLine(surface) {
  return {
    label: SURFACE_NAMES[surface].toLowerCase(),
    token: SURFACE_COLOURS[surface],
    dash: surface === "rows" ? [7, 4] : [],
  };
}
