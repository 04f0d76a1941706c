// A panel: a heading, a link to where its numbers come from, and a body that is never empty.

import { enterKey } from "/static/shared/api.js";
import { fill, h } from "./dom.js";
import { askAll, source } from "./sources.js";

/**
 * Show an endpoint's answers in the panel of an id.
 *
 * `render` returns the body's children for an answer, or null where there is nothing yet: then
 * `nothing` says what will appear and when.
 */
export function panel(id, path, { everyMs = 2000, render, nothing }) {
  const room = document.getElementById(id);
  const body = room.querySelector(".body");
  sourceLinks(room, [path]);
  if (!body.hasChildNodes()) fill(body, h("p", { class: "nothing", text: nothing }));
  const feed = source(path, everyMs);
  feed.watch(
    (answer) => {
      room.dataset.state = "live";
      const children = render(answer, body);
      if (children === null) fill(body, h("p", { class: "nothing", text: nothing }));
      else if (children !== undefined) fill(body, children);
    },
    (error) => {
      // What was last known stays, told as such.
      const isKnown = feed.answer !== null;
      room.dataset.state = isKnown ? "stale" : "absent";
      if (!isKnown) fill(body, trouble(error, nothing));
    },
  );
  return feed;
}

/** Name the endpoints that a panel's numbers come from. */
export function sourceLinks(room, paths) {
  const place = room.querySelector(".source");
  if (place) {
    fill(
      place,
      paths.map((path) => h("a", { href: path, title: "The numbers as JSON", text: path })),
    );
  }
}

/** What to say where an endpoint gave no answer. */
export function trouble(error, nothing) {
  if (error.status === 404) {
    return [
      h("p", { class: "nothing", text: nothing }),
      h("p", { class: "nothing", text: "This service does not tell it: it may be an older one." }),
    ];
  }
  const told = [h("p", { class: "nothing", text: `${error.title}: ${error.detail}` })];
  if (error.hint) told.push(h("p", { class: "nothing", text: error.hint }));
  if (error.status === 401 || error.status === 403) {
    told.push(h("button", { type: "button", "data-do": "key", text: "Enter a key" }));
  }
  return told;
}

document.addEventListener("click", async (event) => {
  if (event.target.closest?.('[data-do="key"]') && (await enterKey())) askAll();
});
