// What each share of viewers earned, with ranges that hold at all times at once.

import { h, table } from "./dom.js";
import { change, count, digits, percent } from "./format.js";
import { panel } from "./panel.js";
import { bar, inFigures, scaleFor } from "./ranges.js";
import { SHARES, SHARE_NAMES, SURFACES, SURFACE_NAMES } from "./share_words.js";

const COLUMNS = [
  { head: "Share" },
  { head: "Displays", number: true },
  { head: "Clicks", number: true },
  { head: "Plays", number: true },
  { head: "Take fraction", wide: true },
  { head: "Click rate", wide: true },
  { head: "Reward rate", wide: true },
];

export function startShares() {
  panel("shares", "/v1/insights", {
    nothing: "Displays, clicks and plays of each share appear once the first reward windows are over.",
    render: (answer) => {
      const surfaces = SURFACES.filter((surface) => answer.shares[surface]);
      if (!surfaces.length) return null;
      return surfaces.map((surface) =>
        h(
          "div",
          { class: "shares-of" },
          h("p", { class: "note" }, h("b", { text: SURFACE_NAMES[surface] }), `: ${liftWords(answer, surface)}`),
          table(`${SURFACE_NAMES[surface]}: what each share earned`, COLUMNS, rowsOf(answer.shares[surface]), { hidden: true }),
        ),
      );
    },
  });
}

function liftWords(answer, surface) {
  const lift = answer.lift[surface];
  if (!lift) return "its lift over the holdout appears once both have earned something";
  const high = lift.high === null ? "unknown" : change(lift.high);
  return `lift ${change(lift.value)} over the holdout, ${change(lift.low)} to ${high} with ${percent(answer.confidence, 0)} confidence at all times`;
}

function rowsOf(shares) {
  const there = SHARES.filter((share) => shares[share]);
  const scale = (measure) => scaleFor(there.map((share) => shares[share][measure]));
  const most = { take: scale("take"), click: scale("click"), reward_rate: scale("reward_rate") };
  return there.map((share) => {
    const figures = shares[share];
    return [
      h("span", { class: `key ${share}`, text: SHARE_NAMES[share] }),
      count(figures.displays),
      count(figures.clicks),
      count(figures.plays),
      measured(figures.take, most.take, share, inFigures),
      measured(figures.click, most.click, share, inFigures),
      measured(figures.reward_rate, most.reward_rate, share, rewardFigures),
    ];
  });
}

function measured(range, most, share, words) {
  return h("div", { class: "measured" }, bar(range, most, share), h("span", { class: "figures", text: words(range) }));
}

function rewardFigures(range) {
  if (!range) return "–";
  return `${digits(range.value)} (${digits(range.low)}–${digits(range.high)})`;
}
