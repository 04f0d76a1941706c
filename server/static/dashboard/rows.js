// Rows: where they stood and what they earned.

import { h, table } from "./dom.js";
import { count, digits } from "./format.js";
import { panel } from "./panel.js";
import { bar, scaleFor } from "./ranges.js";

const LISTED = 60;

export function startRows() {
  panel("rows", "/v1/insights", {
    nothing: "Rows appear once pages with rows were shown and their reward windows are over.",
    render: ({ rows }) => {
      if (!rows.length) return null;
      const most = scaleFor(rows.map((row) => row.reward_rate));
      const sorted = rows.toSorted((one, other) => other.reward_rate.value - one.reward_rate.value);
      return table(
        "Rows, what earns most first",
        [
          { head: "Row" },
          { head: "Reward a display", wide: true },
          { head: "Mean place", number: true },
          { head: "Displays", number: true },
        ],
        sorted.slice(0, LISTED).map((row) => [
          row.id,
          h("div", { class: "measured" }, bar(row.reward_rate, most, "rows"), h("span", { class: "figures", text: digits(row.reward_rate.value) })),
          (row.position_mean + 1).toFixed(1),
          count(row.displays),
        ]),
        { hidden: true },
      );
    },
  });
}
