// The shelves: one a row, in the order decided. What stays is kept and moved, so that it can glide.

import { dropCard, makeCard, updateCard } from "./cards.js";
import { byId, make } from "./dom.js";
import { appear, glide, scrolling } from "./motion.js";
import { rowName } from "./state.js";

const shelves = new Map(); // row id -> its section

/** Show rows `[{id, titles}]` in this order; return how many rows moved and artworks changed. */
export function showRows(rows) {
  const home = byId("shelves");
  const before = [...home.children].map((shelf) => shelf.dataset.row);
  let changed = 0;
  const wanted = rows.map((row) => {
    const shelf = shelves.get(row.id) ?? makeShelf(row);
    shelves.set(row.id, shelf);
    changed += fill(shelf.querySelector(".track"), row);
    return shelf;
  });
  const standing = [...home.children];
  const hadFocus = home.contains(document.activeElement);
  glide(standing, () => {
    for (const shelf of standing) if (!wanted.includes(shelf)) drop(shelf);
    place(home, wanted);
  });
  // What had the focus may be gone: whoever uses the keyboard goes on from the shelves, not from the top.
  if (hadFocus && !home.contains(document.activeElement)) home.focus({ preventScroll: true });
  wanted.filter((shelf) => !standing.includes(shelf)).forEach(appear);
  const moved = before.length
    ? rows.filter((row, index) => before.indexOf(row.id) !== index).length
    : 0;
  return { moved, changed };
}

/** Put children in order without taking out those that stand right: they keep focus and scroll. */
function place(home, wanted) {
  let at = home.firstElementChild;
  for (const child of wanted) {
    if (child === at) at = at.nextElementSibling;
    else keepingScroll(child, () => home.insertBefore(child, at));
  }
}

function keepingScroll(shelf, move) {
  const track = shelf.querySelector(".track");
  const left = track.scrollLeft;
  const focused = shelf.contains(document.activeElement) ? document.activeElement : null;
  move();
  track.scrollLeft = left;
  focused?.focus({ preventScroll: true });
}

function drop(shelf) {
  shelf.querySelectorAll(".slot").forEach(dropCard);
  shelf.remove();
  shelves.delete(shelf.dataset.row);
}

function makeShelf(row) {
  const heading = `row-${row.id}`;
  const track = make("ul", { className: "track", attributes: { "aria-labelledby": heading } });
  const scroll = (sign) =>
    make("button", {
      type: "button",
      className: `scroll ${sign < 0 ? "back" : "on"}`,
      tabIndex: -1,
      textContent: sign < 0 ? "‹" : "›",
      attributes: { "aria-label": `${sign < 0 ? "Earlier" : "Further"} films of ${rowName(row.id)}` },
      onclick: () => track.scrollBy({ left: sign * track.clientWidth * 0.85, behavior: scrolling() }),
    });
  return make(
    "section",
    { className: "shelf", data: { row: row.id }, attributes: { "aria-labelledby": heading } },
    make("h2", { id: heading, textContent: rowName(row.id) }),
    make("div", { className: "shelf-frame" }, scroll(-1), track, scroll(1)),
  );
}

function fill(track, row) {
  const slots = new Map([...track.children].map((slot) => [slot.dataset.title, slot]));
  let changed = 0;
  const wanted = row.titles.map((choice) => {
    const slot = slots.get(choice.id) ?? makeCard(row.id, choice.id);
    if (updateCard(slot, choice)) changed += 1;
    return slot;
  });
  for (const slot of slots.values()) if (!wanted.includes(slot)) dropCard(slot);
  if (wanted.some((slot, index) => track.children[index] !== slot)) track.append(...wanted);
  const cards = wanted.map((slot) => slot.firstElementChild);
  if (cards.length && !cards.some((card) => card.tabIndex === 0)) cards[0].tabIndex = 0;
  return changed;
}
