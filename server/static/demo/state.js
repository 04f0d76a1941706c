// What the page is about now, and who wants to know when it changes.

export const state = {
  page: null, // page.json
  viewer: null, // one of its viewers
  hours: new Map(), // viewer id -> hour of the visit
  contexts: new Map(), // viewer id -> context, as changed by the controls and by plays
  liked: new Map(), // viewer id -> genre -> plays
  decision: null, // the last answer of /v1/rank
  decidedAt: 0, // by the page's clock, in ms
  why: null, // its explanation, once there
  title: null, // the title that the panel tells of
  live: true,
};

const listeners = new Map();

/** Have `act` called after each `tell` of `what`. */
export function on(what, act) {
  listeners.set(what, [...(listeners.get(what) ?? []), act]);
}

export function tell(what, detail) {
  for (const act of listeners.get(what) ?? []) act(detail);
}

export function chooseTitle(id) {
  if (id === state.title) return;
  state.title = id;
  tell("title");
}

/** Name and facts of a title. */
export function film(id) {
  return state.page.titles[id];
}

/** What a decision shows of a title; undefined where it is not on the page. */
export function choiceOf(decision, title) {
  return decision.rows.flatMap((row) => row.titles).find((one) => one.id === title);
}

export function rowName(id) {
  return state.page.rows.find((row) => row.id === id)?.name ?? id;
}

export function artUrl(artwork) {
  return `/demo/files/art/${encodeURIComponent(artwork)}.svg`;
}

/** What an artwork shows, in words: ids end in subject and palette. */
export function artName(artwork) {
  return artwork.slice(artwork.lastIndexOf(".") + 1).replace(/-/g, ", ").replace(/, \d+$/, "");
}
