// Asking for the page, and showing what was decided.

import { contextOf } from "./context.js";
import { byId } from "./dom.js";
import { showHero } from "./hero.js";
import { begin } from "./impressions.js";
import { service } from "./service.js";
import { showRows } from "./shelves.js";
import { choiceOf, state, tell } from "./state.js";

const STALE_MS = 5000;

let asked = 0;

/** Have the page decided anew; return what changed, or null where another call came first. */
export async function rank({ askedByViewer }) {
  const mine = ++asked;
  const { page, viewer } = state;
  const request = {
    viewer_id: viewer.id,
    context: contextOf(viewer),
    rows: page.rows.map(({ id, titles }) => ({ id, titles })),
    max_rows: page.rows_shown,
  };
  let answer;
  try {
    answer = await service.rank(request);
  } catch (error) {
    complain(error);
    return null;
  }
  if (mine !== asked) return null;
  const rows = answer.rows.filter((row) => row.titles.length);
  if (!rows.length) {
    complain(new Error("the service’s catalog holds none of the demo’s titles"));
    return null;
  }
  complain(null);
  state.decision = answer;
  state.decidedAt = performance.now();
  byId("page").dataset.decision = answer.decision_id;
  begin({ askedByViewer });
  const change = show(rows);
  tell("decision", change);
  return change;
}

/** The decision that something done now belongs to; what comes late of an old one is not learned. */
export async function freshDecision(title) {
  const { decision, decidedAt } = state;
  if (performance.now() - decidedAt > STALE_MS) await rank({ askedByViewer: true });
  return choiceOf(state.decision, title) ? state.decision : decision;
}

function show(rows) {
  const [top] = rows;
  const isOther = showHero(top, top.titles[0]);
  const below = rows.map((row) => (row === top ? { ...row, titles: row.titles.slice(1) } : row));
  const change = showRows(below);
  byId("page").setAttribute("aria-busy", "false");
  return { ...change, changed: change.changed + (isOther ? 1 : 0) };
}

/** Say what went wrong; null takes it back. */
export function complain(error) {
  const place = byId("trouble");
  place.hidden = error === null;
  place.textContent = error ? `The page cannot be shown: ${error.message}. ${error.hint ?? ""}` : "";
}
