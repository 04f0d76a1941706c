// One film on a shelf: a picture that is a button, with title and facts when pointed at.

import { make, shownWith } from "./dom.js";
import { unwatch, watch } from "./impressions.js";
import { fadeTo } from "./motion.js";
import { artUrl, film } from "./state.js";

/** Make the card of a title on a row. */
export function makeCard(row, title) {
  const { name, year, director, genres } = film(title);
  const frame = make("span", { className: "art" });
  const meta = make(
    "span",
    { className: "card-meta", attributes: { "aria-hidden": "true" } },
    make("strong", { textContent: name }),
    make("span", { className: "card-facts" }),
  );
  const button = make(
    "button",
    {
      type: "button",
      className: "card",
      tabIndex: -1,
      data: { title, row },
      attributes: { "aria-label": `${name}, ${year}, by ${director}. ${genres.join(", ")}.` },
    },
    frame,
    meta,
  );
  watch(button);
  return make("li", { className: "slot", data: { title } }, button);
}

/** Show what was decided for the title; return whether its artwork is another one now. */
export function updateCard(slot, choice) {
  const card = slot.firstElementChild;
  const { name, year, genres } = film(choice.id);
  card.querySelector(".card-facts").textContent =
    `${year} · ${genres[0]} · ${shownWith(choice.propensity)}`;
  if (card.dataset.artwork === choice.artwork) return false;
  const isFirst = card.dataset.artwork === undefined;
  card.dataset.artwork = choice.artwork;
  fadeTo(card.querySelector(".art"), artUrl(choice.artwork), name);
  return !isFirst;
}

export function dropCard(slot) {
  unwatch(slot.firstElementChild);
  slot.remove();
}
