// The context that is sent: what the controls say, in the features that the simulated viewers send.

import { state, tell } from "./state.js";

const PLAY_COUNTS = 1; // a play's weight beside the favourites that the viewer came with
const CAME_WITH = 1.5;

export function contextOf(viewer) {
  if (!state.contexts.has(viewer.id)) {
    state.contexts.set(viewer.id, structuredClone(viewer.context));
    state.hours.set(viewer.id, viewer.hour);
  }
  return {
    ...state.contexts.get(viewer.id),
    part_of_day: partOfDay(state.hours.get(viewer.id)),
  };
}

export function partOfDay(hour) {
  const control = state.page.controls.find((one) => one.kind === "hour");
  const begun = control.hours.filter((from) => from <= hour).length;
  return control.values[(begun || control.values.length) - 1].value;
}

export function change(name, value) {
  contextOf(state.viewer);
  if (name === "hour") state.hours.set(state.viewer.id, value);
  else state.contexts.get(state.viewer.id)[name] = value;
  tell("context");
}

/** A play moves the viewer's favourite genres, as a homepage that knows its viewers has it. */
export function liked(genres) {
  const { id, context } = state.viewer;
  const counts = state.liked.get(id) ?? new Map(context.favourite_genres.map((one) => [one, CAME_WITH]));
  for (const genre of genres) counts.set(genre, (counts.get(genre) ?? 0) + PLAY_COUNTS);
  state.liked.set(id, counts);
  const most = state.page.controls.find((one) => one.name === "favourite_genres").most;
  const best = [...counts].sort((a, b) => b[1] - a[1]).slice(0, most).map(([genre]) => genre).sort();
  const before = contextOf(state.viewer).favourite_genres;
  if (best.join() === before.join()) return null;
  state.contexts.get(id).favourite_genres = best;
  tell("context-shown");
  return best;
}
