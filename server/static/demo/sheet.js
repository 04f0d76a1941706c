// The sheet of one film: its artwork large, its facts, and the player.

import { liked } from "./context.js";
import { byId, clock, make, percent } from "./dom.js";
import { report, send, sendOnLeaving } from "./feedback.js";
import { Player } from "./player.js";
import { freshDecision } from "./session.js";
import { artName, artUrl, choiceOf, chooseTitle, film, tell } from "./state.js";

let player = null;
let opened = null; // { decision, title, row }

/** Open the sheet of a title as a decision has it, which counts as a click; play it if so wanted. */
export function openSheet(decision, { title, row, plays }) {
  const sheet = byId("sheet");
  opened = { decision, title, row };
  report(decision, { type: "click", title, row });
  chooseTitle(title);
  fill(sheet, title);
  if (!sheet.open) sheet.showModal();
  if (plays) play();
}

function fill(sheet, title) {
  const { name, year, director, genres, minutes, country } = film(title);
  const { artwork, propensity } = choiceOf(opened.decision, title);
  const button = (className, text, act) =>
    make("button", { type: "button", className, textContent: text, onclick: act });
  const close = button("icon-button sheet-close", "×", () => sheet.close());
  close.setAttribute("aria-label", "Close");
  const start = button("solid", "▶ Play", play);
  start.id = "play";
  start.autofocus = true;
  sheet.replaceChildren(
    make(
      "div",
      { className: "sheet-stage" },
      make("img", { src: artUrl(artwork), alt: name, draggable: false }),
      make("div", { className: "player", hidden: true }),
      close,
    ),
    make(
      "div",
      { className: "sheet-body" },
      make("h2", { id: "sheet-title", textContent: name }),
      make("p", {
        className: "note",
        textContent: `${year} · ${director} · ${country} · ${genres.join(", ")} · ${clock(minutes * 60)}`,
      }),
      make("p", {
        id: "sheet-told",
        textContent:
          `This artwork (${artName(artwork)}) was shown ` +
          `with a probability of ${percent(propensity, 1)}.`,
      }),
      make(
        "p",
        { className: "hero-acts" },
        start,
        button("ghost", "Back to the page", () => sheet.close()),
      ),
    ),
  );
}

async function play() {
  await renew();
  const stage = byId("sheet").querySelector(".sheet-stage");
  if (!stage || player) return;
  const { name, minutes } = film(opened.title);
  byId("play").hidden = true;
  const told = byId("sheet-told");
  player = new Player(stage.querySelector(".player"), name, minutes * 60, {
    ended: () => byId("sheet").close(),
    watched: (share) => (told.textContent = `Once you leave it is reported as played: ${percent(share)}.`),
  });
  stage.classList.add("playing");
  player.start();
}

/** Let what follows belong to a new decision, if the film's was made a while ago. */
async function renew() {
  const { title, row } = opened;
  const decision = await freshDecision(title);
  const stage = byId("sheet").querySelector(".sheet-stage");
  if (decision === opened.decision || !stage) return;
  opened = { decision, title, row };
  report(decision, { type: "click", title, row });
  stage.querySelector("img").src = artUrl(choiceOf(decision, title).artwork);
}

/** Report what was watched, if anything was. */
function reportPlay() {
  if (!player) return null;
  player.stop();
  const { watched, length } = player;
  player = null;
  if (watched <= 0) return null;
  const { decision, title, row } = opened;
  const seconds = Math.round(watched * 10) / 10;
  const fraction = Math.min(1, watched / length);
  report(decision, { type: "play", title, row, seconds, fraction });
  return { decision_id: decision.decision_id, title, fraction, favourites: liked(film(title).genres) };
}

export function listenToSheet() {
  const sheet = byId("sheet");
  sheet.addEventListener("close", async () => {
    const played = reportPlay();
    byId("sheet").replaceChildren();
    await send();
    if (played) tell("played", played);
  });
  sheet.addEventListener("click", (event) => {
    if (event.target === sheet) sheet.close();
  });
  // A page that is left tells of a film that still runs, too.
  addEventListener("pagehide", () => {
    reportPlay();
    sendOnLeaving();
  });
}
