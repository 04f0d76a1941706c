// A challenger that learns in shadow: its evidence, and who serves.

import { post } from "/static/shared/api.js";
import { doAfterAsking } from "./confirm.js";
import { byId, h, table } from "./dom.js";
import { capital, change, count, digits, duration, moment, plain } from "./format.js";
import { panel } from "./panel.js";

const PATH = "/v1/challenger";

export function startChallenger() {
  const feed = panel("challenger", PATH, {
    everyMs: 4000,
    nothing: "A challenger’s evidence appears once one is configured.",
    render: (answer) => (answer.configured ? configured(answer) : h("p", { class: "nothing", text: `${capital(answer.verdict)}.` })),
  });
  byId("challenger").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-move]");
    if (button) move(feed, button.dataset.move);
  });
}

function configured(answer) {
  const next = answer.serving === "champion" ? "promote" : "demote";
  const changes = Object.entries(answer.changes).map(([key, [ours, theirs]]) => [h("code", { text: key }), plain(ours), plain(theirs)]);
  return [
    h("p", { class: "verdict", text: `${capital(answer.verdict)}.` }),
    table(
      `Rewards a page, off-policy, over ${count(answer.decisions)} decisions`,
      [{ head: "Line" }, { head: "Estimate", number: true }, { head: "Range", number: true }],
      [
        [lineName("champion", answer), digits(answer.champion.value), range(answer.champion, digits)],
        [lineName("challenger", answer), digits(answer.challenger.value), range(answer.challenger, digits)],
        ["lift", change(answer.lift.value, 1), range(answer.lift, (value) => change(value, 1))],
      ],
    ),
    changes.length ? table("What it does otherwise", [{ head: "Key" }, { head: "Champion" }, { head: "Challenger" }], changes) : null,
    h("div", { class: "panel-foot" },
      h("button", { type: "button", "data-move": next, text: next === "promote" ? "Promote the challenger" : "Let the champion serve again" }),
      h("span", { class: "note figures", text: `Its learner is ${duration(answer.lag_s)} behind.` })),
    history(answer.history),
  ];
}

const lineName = (line, answer) => (answer.serving === line ? h("b", { text: `${line} ● serves` }) : line);

function range(estimate, words) {
  if (estimate.low === null && estimate.high === null) return "–";
  return `${words(estimate.low)} to ${words(estimate.high)}`;
}

function history(moves) {
  if (!moves.length) return h("p", { class: "note", text: "Nothing was promoted or demoted so far." });
  const rows = moves.slice(0, 5).map((one) => [moment(one.at), one.what, `by ${one.by}`]);
  return table("Promotions and demotions, newest first", [{ head: "At" }, { head: "What" }, { head: "Who" }], rows);
}

function move(feed, what) {
  const promotes = what === "promote";
  doAfterAsking(
    {
      title: promotes ? "Let the challenger serve?" : "Let the champion serve again?",
      text: "Pages are decided by it within two seconds, whatever the evidence says. Both go on learning, and evidence is gathered anew.",
      yes: promotes ? "Promote" : "Demote",
    },
    byId("challenger-said"),
    async () => {
      const answer = await post(`${PATH}/${what}`);
      await feed.refresh();
      return `The ${answer.serving} serves now.`;
    },
  );
}
