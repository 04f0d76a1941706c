// When the page is asked for again by itself: once a newer model is served and the viewer is still.

import { byId } from "./dom.js";
import { service } from "./service.js";
import { rank } from "./session.js";
import { state } from "./state.js";

const LOOK_EVERY_MS = 2500;
const AT_MOST_EVERY_MS = 6000;
const STILL_FOR_MS = 3500;
const LEARNS_WITHIN_MS = 20000;
// A model made so soon after a play may not have learned it yet: wait for the next one, for a while.
const LEARNED_AFTER_S = 1.2;
const WAITS_S = 2.5;
const LOOK_FOR_PLAY_EVERY_MS = 400;

let acted = 0;
let ranked = 0;
let waitsForPlay = false;

for (const act of ["pointermove", "pointerdown", "keydown", "scroll", "touchmove"]) {
  addEventListener(act, () => (acted = performance.now()), { passive: true, capture: true });
}

function isBusy() {
  const still = performance.now() - acted > STILL_FOR_MS;
  const waited = performance.now() - ranked > AT_MOST_EVERY_MS;
  return !state.live || document.hidden || byId("sheet").open || waitsForPlay || !still || !waited;
}

/** Whether a model is served that did not choose this page, and is no older than so many seconds. */
async function isNewer(decision, oldest_s = Infinity) {
  const status = await service.status().catch(() => null);
  if (!status) return false;
  return Object.entries(status.models).some(
    ([surface, { version, age_s }]) => version !== decision.snapshots[surface] && age_s < oldest_s,
  );
}

async function look() {
  if (!state.decision || isBusy()) return;
  if ((await isNewer(state.decision)) && !isBusy()) {
    ranked = performance.now();
    await rank({ askedByViewer: false });
  }
}

export function followTheModel() {
  setInterval(look, LOOK_EVERY_MS);
}

/** After a play: ask again at once, and once more as soon as a model is served that was made since. */
export async function followPlay() {
  const played = performance.now();
  await rank({ askedByViewer: true });
  const { decision } = state;
  const end = played + LEARNS_WITHIN_MS;
  waitsForPlay = true;
  try {
    while (performance.now() < end && decision === state.decision && !byId("sheet").open) {
      await new Promise((resume) => setTimeout(resume, LOOK_FOR_PLAY_EVERY_MS));
      const since_s = (performance.now() - played) / 1000;
      if (!(await isNewer(decision, since_s - (since_s < WAITS_S ? LEARNED_AFTER_S : 0)))) continue;
      return decision === state.decision ? await rank({ askedByViewer: true }) : null;
    }
  } finally {
    waitsForPlay = false;
  }
  return null;
}
