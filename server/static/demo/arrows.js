// Arrow keys on the shelves: along a shelf, and from shelf to shelf. A shelf is one stop of Tab.

import { byId } from "./dom.js";
import { scrolling } from "./motion.js";

function cardsOf(shelf) {
  return [...shelf.querySelectorAll(".card")];
}

function go(card) {
  const shelf = card.closest(".shelf");
  for (const one of cardsOf(shelf)) one.tabIndex = one === card ? 0 : -1;
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest", inline: "nearest", behavior: scrolling() });
}

function target(card, key) {
  const shelf = card.closest(".shelf");
  const cards = cardsOf(shelf);
  const at = cards.indexOf(card);
  if (key === "ArrowRight") return cards[at + 1];
  if (key === "ArrowLeft") return cards[at - 1];
  if (key === "Home") return cards[0];
  if (key === "End") return cards.at(-1);
  const beside = key === "ArrowDown" ? shelf.nextElementSibling : shelf.previousElementSibling;
  if (!beside) return undefined;
  const middle = centre(card);
  return cardsOf(beside).reduce(
    (best, one) => (Math.abs(centre(one) - middle) < Math.abs(centre(best) - middle) ? one : best),
    cardsOf(beside)[0],
  );
}

function centre(card) {
  const box = card.getBoundingClientRect();
  return box.left + box.width / 2;
}

const KEYS = new Set(["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End"]);

export function listenToArrows() {
  byId("hero").addEventListener("keydown", (event) => {
    const first = byId("shelves").querySelector(".card[tabindex='0']");
    if (event.key !== "ArrowDown" || !first) return;
    go(first);
    event.preventDefault();
  });
  byId("shelves").addEventListener("keydown", (event) => {
    const card = event.target.closest?.(".card");
    if (!card || !KEYS.has(event.key)) return;
    const next = target(card, event.key);
    if (!next && event.key === "ArrowUp") byId("hero").querySelector(".hero-acts button")?.focus();
    if (next) go(next);
    event.preventDefault();
  });
}
