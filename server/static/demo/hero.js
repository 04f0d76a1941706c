// The first title of the top row, large.

import { byId, make, shownWith } from "./dom.js";
import { watch } from "./impressions.js";
import { fadeTo } from "./motion.js";
import { artUrl, film, rowName, tell } from "./state.js";

let art = null;
let glow = null;

/** Show a title of a row; return whether its artwork is another one now. */
export function showHero(row, choice) {
  const hero = byId("hero");
  if (!art) build(hero);
  const { name, year, director, genres, minutes } = film(choice.id);
  const isOther = art.dataset.artwork !== choice.artwork;
  const isFirst = art.dataset.artwork === undefined;
  Object.assign(art.dataset, { title: choice.id, row: row.id, artwork: choice.artwork });
  if (isOther) {
    fadeTo(art, artUrl(choice.artwork), name);
    fadeTo(glow, artUrl(choice.artwork), "");
  }
  hero.querySelector(".hero-row").textContent = `On top for you: ${rowName(row.id)}`;
  hero.querySelector(".hero-name").textContent = name;
  const facts = [year, director, genres.join(", "), `${minutes} min`];
  hero.querySelector(".hero-facts").textContent =
    `${facts.join(" · ")} · artwork ${shownWith(choice.propensity)}`;
  const [play, more] = hero.querySelectorAll(".hero-acts button");
  const place = { title: choice.id, row: row.id };
  play.onclick = () => tell("open", { ...place, plays: true });
  more.onclick = () => tell("open", { ...place, plays: false });
  art.onclick = more.onclick;
  play.setAttribute("aria-label", `Play ${name}`);
  more.setAttribute("aria-label", `More about ${name}`);
  return isOther && !isFirst;
}

function build(hero) {
  art = make("button", { type: "button", className: "hero-art", tabIndex: -1 });
  glow = make("div", { className: "hero-glow", attributes: { "aria-hidden": "true" } });
  const button = (className, text) =>
    make("button", { type: "button", className, textContent: text });
  hero.replaceChildren(
    glow,
    make(
      "div",
      { className: "hero-text" },
      make("p", { className: "hero-row" }),
      make("h2", { className: "hero-name" }),
      make("p", { className: "hero-facts" }),
      make("p", { className: "hero-acts" }, button("solid", "▶ Play"), button("ghost", "More")),
    ),
    art,
  );
  watch(art);
}
