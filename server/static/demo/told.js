// What was reported, and what the service makes of it.

import { byId, make, number, percent } from "./dom.js";
import { counts, recent, waitingCount } from "./feedback.js";
import { service } from "./service.js";
import { film, on, rowName, tell } from "./state.js";

export function listenToTold() {
  on("feedback", show);
  show();
}

/** Ask what a play earned, once its decision is closed. */
export async function tellReward({ decision_id, title }) {
  const why = await service.explain(decision_id).catch(() => null);
  const event = recent.find((one) => one.decision_id === decision_id && one.type === "play");
  const earned = why?.rewards.titles[title];
  if (!event || !earned) return;
  event.earned = earned.reward;
  tell("feedback");
}

function show() {
  const { impression, click, play, refused } = counts;
  const waiting = waitingCount();
  byId("told").textContent =
    `${impression} seen, ${click} clicked, ${play} played` +
    `${waiting ? `; ${waiting} on the way` : ""}${refused ? `; ${refused} not taken` : ""}.`;
  byId("log").replaceChildren(...recent.map((event) => make("li", { textContent: sentence(event) })));
}

function sentence({ type, title, row, seconds, fraction, earned }) {
  const { name } = film(title);
  if (type === "click") return `Opened ${name}, on “${rowName(row)}”`;
  const played = `Played ${name}: ${Math.round(seconds / 60)} min, ${percent(fraction)}`;
  return earned === undefined ? played : `${played}. Reward ${number(earned, 2)}`;
}
