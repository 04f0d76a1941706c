// Brings the parts of the page together.

import { listenToArrows } from "./arrows.js";
import { drawControls, drawViewers, showControls } from "./controls.js";
import { byId, debounced, percent } from "./dom.js";
import { listenToPanel } from "./panel.js";
import { followPlay, followTheModel } from "./refresh.js";
import { service } from "./service.js";
import { complain, freshDecision, rank } from "./session.js";
import { listenToSheet, openSheet } from "./sheet.js";
import { chooseTitle, film, on, state, tell } from "./state.js";
import { tellReward } from "./told.js";
import { rememberBefore } from "./why.js";

const SETTLE_MS = 120;
const POINTED_MS = 250;
const SAID_FOR_MS = 6000;

let unsay = 0;

function say(sentence) {
  clearTimeout(unsay);
  byId("said").textContent = sentence;
  unsay = setTimeout(() => (byId("said").textContent = ""), SAID_FOR_MS);
}

function summary(change) {
  const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;
  if (!change.moved && !change.changed) return "nothing changed on the page";
  const rows = count(change.moved, "row moved", "rows moved");
  return `${rows}, ${count(change.changed, "artwork changed", "artworks changed")}`;
}

const rerank = debounced(async () => {
  const change = await rank({ askedByViewer: true });
  if (change) say(`${state.viewer.name}: ${summary(change)}.`);
}, SETTLE_MS);

async function afterPlay(played) {
  const { title, fraction, favourites } = played;
  rememberBefore(state.why?.titles.find((one) => one.id === title));
  const taste = favourites ? ` ${state.viewer.name}’s taste is now ${favourites.join(" and ")}.` : "";
  say(`${film(title).name}: ${percent(fraction)} played.${taste}`);
  const change = await followPlay();
  if (change) say(`By a model made since your play: ${summary(change)}.${taste}`);
  await tellReward(played);
}

async function open(place) {
  openSheet(await freshDecision(place.title), place);
}

function listenToCards() {
  const shelves = byId("shelves");
  const cardOf = (event) => event.target.closest?.(".card");
  const point = debounced((title) => chooseTitle(title), POINTED_MS);
  shelves.addEventListener("click", (event) => {
    const card = cardOf(event);
    if (card) tell("open", { title: card.dataset.title, row: card.dataset.row, plays: false });
  });
  shelves.addEventListener("focusin", (event) => {
    if (cardOf(event)) chooseTitle(cardOf(event).dataset.title);
  });
  shelves.addEventListener("pointerover", (event) => {
    if (cardOf(event) && event.pointerType === "mouse") point(cardOf(event).dataset.title);
  });
}

async function start() {
  state.page = await service.page();
  state.viewer = state.page.viewers[0];
  drawViewers();
  drawControls();
  listenToPanel();
  listenToArrows();
  listenToCards();
  listenToSheet();
  byId("live").onchange = () => (state.live = byId("live").checked);
  on("open", open);
  on("context", rerank);
  on("context-shown", showControls);
  on("played", afterPlay);
  await rank({ askedByViewer: true });
  chooseTitle(state.decision?.rows[0].titles[0].id ?? null);
  followTheModel();
}

start().catch(complain);
