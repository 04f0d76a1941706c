// Why a title shows its artwork, and why the rows stand as they do.

import { bar } from "./bars.js";
import { make, number, percent } from "./dom.js";
import { reasons } from "./reasons.js";
import { artName, artUrl, film, rowName } from "./state.js";

let before = new Map(); // artwork -> probability when its title was last played

/** Remember how likely a title's artworks were, to tell later what a play has changed. */
export function rememberBefore(entry) {
  for (const { id, probability } of entry?.artworks ?? []) before.set(id, probability);
}

/** Tell of a title: its artworks, likeliest first, and what moved the score of the one shown. */
export function titleWhy(place, entry) {
  const ranked = [...entry.artworks].sort(
    (a, b) => (b.probability ?? 0) - (a.probability ?? 0) || (b.score ?? 0) - (a.score ?? 0),
  );
  place.replaceChildren(
    make("p", { className: "why-name", textContent: film(entry.id).name }),
    make("ul", { className: "artworks" }, ...ranked.map((one) => artwork(entry, one))),
  );
}

function artwork(entry, one) {
  const isShown = one.id === entry.artwork;
  const figure = (tag, textContent) => make(tag, { className: "figures", textContent });
  const figures = [
    figure("strong", percent(one.probability, 1)),
    one.score === null ? null : figure("span", `score ${number(one.score)}`),
    changed(one),
  ];
  const name = artName(one.id) + (isShown ? " – shown" : "");
  const head = make(
    "summary",
    {},
    make("img", { src: artUrl(one.id), alt: "", loading: "lazy", width: 96, height: 54 }),
    make(
      "span",
      { className: "artwork-text" },
      make("span", { className: "artwork-name", textContent: name }),
      bar(one.probability ?? 0),
      make("span", { className: "artwork-figures" }, ...figures),
    ),
  );
  if (!one.contributions.length) return make("li", { className: isShown ? "shown" : "" }, head);
  return make(
    "li",
    { className: isShown ? "shown" : "" },
    make("details", { open: isShown }, head, reasons(one.contributions, one.rest)),
  );
}

function changed(one) {
  const was = before.get(one.id);
  if (was === undefined || was === null || Math.abs(was - one.probability) < 0.005) return null;
  const rose = one.probability > was;
  return make("span", {
    className: rose ? "rose" : "fell",
    textContent: `${rose ? "▲" : "▼"} ${percent(was)} when you played`,
  });
}

/** Tell of the rows in their order, each with its score and what moved it. */
export function rowsWhy(place, rows) {
  const scores = rows.map((row) => row.score ?? null).filter((score) => score !== null);
  const [least, most] = [Math.min(...scores), Math.max(...scores)];
  const open = new Set([...place.querySelectorAll("details[open]")].map((one) => one.dataset.row));
  place.replaceChildren(
    ...rows.map((row) => {
      const score = row.score ?? null;
      const share = score === null ? row.propensity : 0.06 + (0.94 * (score - least)) / (most - least || 1);
      const told = score === null ? percent(row.propensity) : number(score);
      const head = make(
        "summary",
        { title: `drawn for this place with a probability of ${percent(row.propensity, 1)}` },
        make("span", { className: "row-name", textContent: rowName(row.id) }),
        bar(share),
        make("span", { className: "figures", textContent: told }),
      );
      if (!row.contributions?.length) return make("li", {}, head);
      const details = { open: open.has(row.id), data: { row: row.id } };
      return make("li", {}, make("details", details, head, reasons(row.contributions, row.rest)));
    }),
  );
}
