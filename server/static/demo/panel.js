// The panel "Why this page": it asks for the decision's explanation and tells it.

import { byId, debounced, make } from "./dom.js";
import { service } from "./service.js";
import { on, state } from "./state.js";
import { listenToTold } from "./told.js";
import { rowsWhy, titleWhy } from "./why.js";

const PAUSE_MS = 150;
const TRIES = 5;
const BETWEEN_MS = 400;
const LATER = new Set([404, 503]);
const SHARES = {
  learned: "In the learned share: gets what was learned.",
  holdout: "In the holdout: first artworks, the given order, always.",
  explore: "In the random share: any artwork, in any order.",
};
const UNEXPLAINED = "This decision cannot be explained now; its probabilities are shown.";
const UNLOGGED = "This decision could not be logged: what you do here is not learned.";

const wide = matchMedia("(min-width: 1000px)");

export function listenToPanel() {
  byId("why").onclick = () => setOpen(byId("panel").hidden);
  byId("panel-close").onclick = () => {
    setOpen(false);
    byId("why").focus();
  };
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !byId("panel").hidden && !wide.matches && !byId("sheet").open) {
      byId("panel-close").click();
    }
  });
  setOpen(wide.matches);
  on("decision", () => {
    state.why = null;
    byId("share").textContent = SHARES[state.decision.share];
    byId("panel").setAttribute("aria-busy", "true");
    ask();
  });
  on("title", showTitle);
  listenToTold();
}

function setOpen(isOpen) {
  byId("panel").hidden = !isOpen;
  byId("why").setAttribute("aria-expanded", String(isOpen));
  document.body.classList.toggle("with-panel", isOpen);
  if (isOpen && state.decision && !state.why) ask();
}

let asking = false;
let againWanted = false;

/** Ask for the explanation of what is shown; one call at a time, as each takes a while. */
const ask = debounced(async () => {
  againWanted = asking;
  if (asking || byId("panel").hidden || !state.decision) return;
  asking = true;
  const { decision } = state;
  const [why, snapshots] = await Promise.all([
    explanation(decision),
    service.snapshots().catch(() => null),
  ]);
  asking = false;
  if (decision === state.decision) {
    state.why = why;
    byId("panel").setAttribute("aria-busy", "false");
    showFacts(decision, why, snapshots);
    showTitle();
    rowsWhy(byId("rows-why"), why?.rows ?? decision.rows);
  }
  if (againWanted) ask();
}, PAUSE_MS);

/** The explanation of a decision, which the log may hold only a moment after the answer. */
async function explanation(decision) {
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      return await service.explain(decision.decision_id);
    } catch (error) {
      if (!LATER.has(error.status)) break;
      await new Promise((resume) => setTimeout(resume, BETWEEN_MS));
    }
  }
  return null;
}

function showFacts(decision, why, snapshots) {
  const facts = [
    ["Artworks by", model("artwork", decision, why, snapshots)],
    ["Rows by", model("rows", decision, why, snapshots)],
    ["Policy", why?.policy.replace(/_/g, " ").replace("+", " + ") ?? "–"],
  ];
  byId("facts").replaceChildren(
    ...facts.flatMap(([name, value]) => [
      make("dt", { textContent: name }),
      make("dd", { textContent: value }),
    ]),
  );
  const notes = why ? [...why.notes] : [UNEXPLAINED];
  if (!decision.logged) notes.push(UNLOGGED);
  byId("notes").replaceChildren(
    ...notes.map((note) => make("p", { className: "note", textContent: note })),
  );
}

/** Which model chose, and how old it was then. */
function model(surface, decision, why, snapshots) {
  const version = decision.snapshots[surface];
  if (!version) return "no model";
  const told = snapshots?.snapshots.find((one) => one.surface === surface && one.version === version);
  const short = version.replace(/^0+/, "");
  if (!told || !why) return `model ${short}`;
  const age = Math.max(0, why.decided_at - told.created_at);
  return `model ${short}, ${age.toFixed(1)} s old, of ${told.examples_learned.toLocaleString("en")} examples`;
}

function showTitle() {
  const { title, why, decision } = state;
  if (!why) return;
  // What the panel told of may not be on the page any more.
  const entry = entryOf(why, title) ?? entryOf(why, decision.rows[0].titles[0].id);
  if (entry) titleWhy(byId("title-why"), entry);
}

function entryOf(why, title) {
  return why.titles.find((one) => one.id === title);
}
