// Model versions: which is served, rolling back, and following the newest again.

import { get, post } from "/static/shared/api.js";
import { doAfterAsking } from "./confirm.js";
import { byId, h, table } from "./dom.js";
import { ago, bytes, count, moment } from "./format.js";
import { panel } from "./panel.js";
import { SURFACES, SURFACE_NAMES } from "./share_words.js";

const PATH = "/v1/snapshots";
const LISTED = 10;
const TRIES = 8;
const STILL_MS = 15_000;

/** When the list was shown last, and whether a change of ours must be shown whatever is pointed at. */
const shown = { at: 0, isDue: false };

export function startSnapshots() {
  const room = byId("snapshots");
  const feed = panel("snapshots", PATH, {
    nothing: "Snapshots appear once the learner has published its first model.",
    render: ({ snapshots }) => {
      if (!snapshots.length) return null;
      // A list that moves under the pointer is no place to choose from.
      const isFresh = performance.now() - shown.at < STILL_MS;
      if (isFresh && !shown.isDue && isPointedAt(room)) return undefined;
      Object.assign(shown, { at: performance.now(), isDue: false });
      return h("div", { class: "pair" }, SURFACES.map((surface) => ofSurface(surface, snapshots)));
    },
  });
  room.addEventListener("mouseleave", () => feed.again());
  room.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-surface]");
    if (!button) return;
    const { surface, version } = button.dataset;
    if (version) rollBack(feed, surface, version);
    else follow(feed, surface);
  });
}

function isPointedAt(room) {
  return room.querySelector(".table-room:hover") !== null || byId("confirm").open;
}

function ofSurface(surface, snapshots) {
  const kept = snapshots.filter((one) => one.surface === surface);
  const served = kept.find((one) => one.active);
  const listed = kept.slice(0, LISTED);
  if (served && !listed.includes(served)) listed.push(served);
  return h(
    "div",
    { class: "snapshots-of" },
    h(
      "div",
      { class: "one-head" },
      h("h4", { text: SURFACE_NAMES[surface] }),
      h("span", { class: "note", text: served?.pinned ? "held by hand" : "follows the newest" }),
      h("button", { type: "button", "data-surface": surface, class: served?.pinned ? "solid" : "quiet", disabled: !served?.pinned, text: "Follow the newest" }),
    ),
    listed.length ? versions(surface, listed, kept) : h("p", { class: "nothing", text: "No model of this surface yet." }),
  );
}

function versions(surface, listed, kept) {
  return table(
    `${SURFACE_NAMES[surface]}: ${listed.length} of ${kept.length} kept snapshots, newest first`,
    [{ head: "Version" }, { head: "Served" }, { head: "Made" }, { head: "Examples", number: true }, { head: "Size", number: true }],
    listed.map((one) => [
      h("code", { text: one.version }),
      one.active
        ? h("span", { class: "state", "data-state": one.pinned ? "held" : "served", text: one.pinned ? "● held" : "● served" })
        : h("button", { type: "button", "data-surface": surface, "data-version": one.version, "aria-label": `Roll back ${surface} to ${one.version}`, text: "Roll back" }),
      h("span", { title: ago(one.created_at), text: moment(one.created_at) }),
      count(one.examples_learned),
      bytes(one.bytes),
    ]),
    { hidden: true },
  );
}

function rollBack(feed, surface, version) {
  doAfterAsking(
    {
      title: `Roll ${SURFACE_NAMES[surface].toLowerCase()} back to ${version}?`,
      text: "All workers serve this model within two seconds and stay with it. Learning goes on; what it learns is served once you follow the newest again.",
      yes: "Roll back",
    },
    byId("snapshots-said"),
    async () => {
      await post(`${PATH}/${version}/activate`);
      await showAgain(feed);
      return `${SURFACE_NAMES[surface]}: ${version} is served, and held until you follow the newest again.`;
    },
  );
}

function follow(feed, surface) {
  doAfterAsking(
    {
      title: `Follow the newest ${SURFACE_NAMES[surface].toLowerCase()} model again?`,
      text: "All workers serve the newest model within two seconds, and every one published after it.",
      yes: "Follow the newest",
    },
    byId("snapshots-said"),
    async () => {
      await activateNewest(surface);
      await showAgain(feed);
      return `${SURFACE_NAMES[surface]}: the newest model is served, and newer ones follow.`;
    },
  );
}

async function showAgain(feed) {
  shown.isDue = true;
  await feed.refresh();
}

/** A newer one may be published between the question and the answer: then ask again. */
async function activateNewest(surface) {
  for (let left = TRIES; left > 0; left -= 1) {
    const { snapshots } = await get(PATH);
    const newest = snapshots.find((one) => one.surface === surface);
    const now = await post(`${PATH}/${newest.version}/activate`);
    if (!now.pinned) return;
  }
  throw Object.assign(new Error("newer models came too fast"), { hint: "Try again." });
}
