// What was seen: a card at least half visible for a second, once a decision.
//
// A page that changes by itself while nobody is there was not seen: what is visible is reported once
// the viewer scrolls, points, types or touches after the page was last asked for.

import { report } from "./feedback.js";
import { state } from "./state.js";

const HALF = 0.5;
const FOR_MS = 1000;

const timers = new Map(); // card -> timer
let told = new Set();
let held = [];
let attended = true;

const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting, intersectionRatio } of entries) {
      const visible = isIntersecting && intersectionRatio >= HALF;
      if (visible && !timers.has(target)) timers.set(target, setTimeout(() => seen(target), FOR_MS));
      if (!visible) forget(target);
    }
  },
  { threshold: [0, HALF] },
);

function forget(card) {
  clearTimeout(timers.get(card));
  timers.delete(card);
}

export function watch(card) {
  observer.observe(card);
}

export function unwatch(card) {
  observer.unobserve(card);
  forget(card);
}

/** A new decision is shown: what is visible counts anew, from now on. */
export function begin({ askedByViewer }) {
  told = new Set();
  held = [];
  attended = askedByViewer;
  const cards = [...timers.keys()];
  for (const card of cards) {
    forget(card);
    observer.unobserve(card);
  }
  for (const card of cards) if (card.isConnected) observer.observe(card);
}

function seen(card) {
  const { title, row } = card.dataset;
  const place = `${row}/${title}`;
  if (!state.decision || told.has(place)) return;
  told.add(place);
  const event = { type: "impression", title, row };
  if (attended) report(state.decision, event);
  else held.push(event);
}

function attend() {
  if (attended) return;
  attended = true;
  for (const event of held.splice(0)) report(state.decision, event);
}

for (const act of ["scroll", "pointermove", "pointerdown", "keydown", "touchstart"]) {
  addEventListener(act, attend, { passive: true, capture: true });
}
