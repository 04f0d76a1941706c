// What the viewer did, told to the service in batches; nothing is told twice or forgotten.

import { service } from "./service.js";
import { tell } from "./state.js";

const GATHER_MS = 800;
const AGAIN_MS = 3000;
const TRIES_MAX = 20;
const AT_ONCE_MAX = 200;

const waiting = [];
export const counts = { impression: 0, click: 0, play: 0, refused: 0 };
export const recent = [];
const RECENT_MAX = 8;

let timer = 0;
let sending = null;
let failures = 0;

/** Have an event of a decision sent soon: `{type, title, row, seconds?, fraction?}`. */
export function report(decision, event) {
  waiting.push({
    event_id: crypto.randomUUID?.() ?? `${decision.decision_id}-${performance.now()}`,
    decision_id: decision.decision_id,
    token: decision.token,
    at: Date.now() / 1000,
    ...event,
  });
  counts[event.type] += 1;
  if (event.type !== "impression") {
    recent.unshift({ ...event, decision_id: decision.decision_id });
    recent.length = Math.min(recent.length, RECENT_MAX);
  }
  tell("feedback");
  schedule(GATHER_MS);
}

function schedule(pauseMs) {
  clearTimeout(timer);
  timer = setTimeout(send, pauseMs);
}

/** Send all that waits, now; resolves once the service has it or did not answer. */
export async function send() {
  await sending;
  const batch = waiting.splice(0, AT_ONCE_MAX);
  if (!batch.length) return;
  sending = deliver(batch);
  await sending;
  sending = null;
  tell("feedback");
  if (waiting.length) schedule(failures ? AGAIN_MS : 0);
}

async function deliver(batch) {
  try {
    const answer = await service.feedback(batch);
    counts.refused += answer.rejected.length;
    failures = 0;
  } catch {
    // The same ids go again: what had arrived is counted once.
    failures += 1;
    if (failures < TRIES_MAX) waiting.unshift(...batch);
    else counts.refused += batch.length;
  }
}

export function waitingCount() {
  return waiting.length;
}

/** Send what waits with a request that outlives the page. */
export function sendOnLeaving() {
  if (!waiting.length) return;
  service.feedback(waiting.splice(0, AT_ONCE_MAX), { keepalive: true }).catch(() => {});
}

// A page that is hidden may never come back.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") sendOnLeaving();
});
