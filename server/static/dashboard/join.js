// What the joiner made of the log's records.

import { h, table } from "./dom.js";
import { count, duration, percent } from "./format.js";
import { panel } from "./panel.js";

const MEANINGS = {
  opened: "decisions whose window began",
  closed: "outcomes, given to the learner",
  joined: "feedback joined with its decision",
  deferred: "decisions that wait to be shown",
  activated: "deferred decisions that were shown",
  held: "feedback that came before its decision",
  duplicate: "told before, not counted again",
  late: "feedback after the window",
  orphan: "feedback without a decision",
  expired: "deferred, never shown",
  conflict: "one id, two decisions",
  excess: "more events than one decision may have",
  forgotten: "closed long ago, let go of",
};

export function startJoin() {
  panel("join", "/v1/status", {
    nothing: "Counts appear once the learner has read the log.",
    render: ({ learner }) => {
      if (!learner) return null;
      const names = Object.keys(learner.join).filter((name) => learner.join[name] > 0);
      if (!names.length) return null;
      const all = names.reduce((sum, name) => sum + learner.join[name], 0);
      const sorted = names.sort((one, other) => learner.join[other] - learner.join[one]);
      return [
        table(
          `Records by what became of them; ${count(learner.open_decisions)} decisions are open`,
          [{ head: "State" }, { head: "Records", number: true }, { head: "Part", number: true }],
          sorted.map((name) => [
            h("span", { class: "stacked" }, h("b", { text: name }), h("span", { class: "note", text: MEANINGS[name] ?? "" })),
            count(learner.join[name]),
            percent(learner.join[name] / all),
          ]),
        ),
        h("p", { class: "note figures", text: closings(learner) }),
      ];
    },
  });
}

function closings(learner) {
  const parts = Object.entries(learner.outcomes).map(([by, times]) => `${count(times)} by ${by}`);
  const holds = learner.log_holds_s === null ? "" : `; the log holds ${duration(learner.log_holds_s)}`;
  return parts.length ? `Closed: ${parts.join(", ")}${holds}.` : "";
}
