// Drift alarms, and how to begin them anew.

import { post } from "/static/shared/api.js";
import { doAfterAsking } from "./confirm.js";
import { byId, h, table } from "./dom.js";
import { capital, digits, moment, words } from "./format.js";
import { panel } from "./panel.js";
import { SURFACE_NAMES } from "./share_words.js";

const STATES = { learning_usual: "learns what is usual", watching: "on watch", raised: "⚠ raised" };

export function startAlarms() {
  const feed = panel("alarms", "/v1/insights", {
    nothing: "Alarms appear once the learner tells how it goes.",
    render: ({ alarms }) => {
      if (!alarms.length) return null;
      return [
        table(
          "Drift alarms",
          [
            { head: "Alarm" },
            { head: "State" },
            { head: "Evidence", wide: true },
            { head: "Usual", number: true },
            { head: "Now", number: true },
          ],
          alarms.map(row),
          { hidden: true },
        ),
        alarms.filter(({ state }) => state === "raised").map(({ says }) => h("p", { class: "alarm-says", text: capital(says) })),
        h("div", { class: "panel-foot" },
          h("button", { type: "button", "data-do": "reset-alarms", text: "Begin alarms anew" }),
          h("span", { class: "note", text: "An alarm rises once its evidence is full; it stays until it is begun anew." })),
      ];
    },
  });
  byId("alarms").addEventListener("click", (event) => {
    if (event.target.closest('[data-do="reset-alarms"]')) reset(feed);
  });
}

function row(alarm) {
  const part = `${(100 * Math.max(0, Math.min(1, alarm.evidence))).toFixed(1)}%`;
  const since = alarm.raised_at ? ` since ${moment(alarm.raised_at)}` : "";
  return [
    h("span", { title: alarm.says, text: `${SURFACE_NAMES[alarm.surface]}: ${words(alarm.name)}` }),
    h("span", { class: "state", "data-state": alarm.state, text: `${STATES[alarm.state] ?? alarm.state}${since}` }),
    h("div", { class: "measured" },
      h("span", { class: "part evidence", "data-state": alarm.state }, h("span", { style: { width: part } })),
      h("span", { class: "figures", text: `${(100 * alarm.evidence).toFixed(0)} %` })),
    digits(alarm.usual),
    digits(alarm.now),
  ];
}

function reset(feed) {
  doAfterAsking(
    {
      title: "Begin all alarms anew?",
      text: "Raised ones are taken back. What is usual is learned again from what comes in now, and nothing is watched until enough has come.",
      yes: "Begin anew",
    },
    byId("alarms-said"),
    async () => {
      await post("/v1/insights/alarms/reset");
      await feed.refresh();
      return "The alarms begin anew: the learner follows within seconds.";
    },
  );
}
