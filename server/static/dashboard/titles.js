// Titles by how often they were seen, and one title's artworks.

import { get, poll } from "/static/shared/api.js";
import { byId, fill, h, table } from "./dom.js";
import { count, percent, short } from "./format.js";
import { panel, sourceLinks, trouble } from "./panel.js";
import { bar, inFigures, scaleFor } from "./ranges.js";
import { source } from "./sources.js";

const LISTED = 60;
const EVERYONE = "";
const NOTHING = "Titles appear here once their first displays were joined with what came of them.";

const state = { chosen: null, segment: EVERYONE, one: null, error: null, polling: null, pictures: false };

export function startTitles() {
  const search = byId("titles-search");
  const feed = panel("titles", "/v1/insights", { nothing: NOTHING, render: (answer) => list(answer.titles, search.value) });
  search.addEventListener("input", () => feed.again());
  byId("titles").addEventListener("click", (event) => {
    const button = event.target.closest("[data-title]");
    if (button) choose(button.dataset.title);
    if (button) feed.again();
  });
  byId("titles").addEventListener("change", (event) => {
    if (event.target.id !== "segment") return;
    state.segment = event.target.value;
    showOne();
  });
  byId("titles").addEventListener("error", (event) => event.target.remove?.(), true);
  source("/v1/config", 30_000).watch(
    (answer) => {
      const found = answer.values.find(({ key }) => key === "pages.demo_directory");
      state.pictures = Boolean(found?.value);
      showOne();
    },
    () => {},
  );
}

function list(titles, asked) {
  if (!titles.length) return null;
  const found = titles.filter(({ id }) => id.toLowerCase().includes(asked.trim().toLowerCase()));
  byId("titles-count").textContent =
    found.length > LISTED ? `${LISTED} of ${count(found.length)}, most seen first` : `${count(found.length)} titles, most seen first`;
  if (state.chosen === null) choose(titles[0].id);
  return h(
    "ul",
    { class: "title-list" },
    found.slice(0, LISTED).map((title) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", "data-title": title.id, "aria-pressed": String(title.id === state.chosen) },
          h("span", { class: "name", text: title.id }),
          h("span", { class: "figures note", text: `${short(title.displays)} · ${percent(title.take)}` }),
        ),
      ),
    ),
  );
}

function choose(id) {
  state.polling?.stop();
  Object.assign(state, { chosen: id, one: null, error: null, segment: EVERYONE });
  sourceLinks(byId("titles"), ["/v1/insights", pathOf(id)]);
  state.polling = poll(async () => {
    try {
      const answer = await get(pathOf(id));
      if (state.chosen === id) Object.assign(state, { one: answer, error: null });
    } catch (error) {
      if (state.chosen === id) state.error = error;
      throw error;
    } finally {
      if (state.chosen === id) showOne();
    }
  }, 3000);
}

const pathOf = (id) => `/v1/insights/titles/${encodeURIComponent(id)}`;

function showOne() {
  const room = byId("title-one");
  if (!state.one) {
    if (state.error) fill(room, trouble(state.error, "A title’s artworks appear once it was seen."));
    return;
  }
  const segments = [...new Set(state.one.artworks.flatMap((one) => Object.keys(one.segments)))].sort();
  fill(room, h("div", { class: "one-head" }, h("h4", { text: state.one.id }), picker(segments)), artworks());
}

function picker(segments) {
  if (!segments.length) {
    return h("p", { class: "note", text: "Name context features in insights.segments to see viewers apart." });
  }
  return h(
    "select",
    { id: "segment", "aria-label": "Viewers" },
    h("option", { value: EVERYONE, text: "all viewers" }),
    segments.map((name) => h("option", { value: name, text: name })),
  );
}

function artworks() {
  const shown = state.one.artworks.map((artwork) => ({
    id: artwork.id,
    share: artwork.share,
    ...(state.segment === EVERYONE ? artwork : (artwork.segments[state.segment] ?? { displays: 0, plays: 0, take: null })),
    isWhole: state.segment === EVERYONE,
  }));
  const most = scaleFor(shown.map(({ take }) => take));
  const all = shown.reduce((sum, { displays }) => sum + displays, 0);
  const who = state.segment === EVERYONE ? "all viewers" : state.segment;
  return table(
    `Artworks of ${state.one.id}, ${who}`,
    [
      { head: "Artwork" },
      { head: state.segment === EVERYONE ? "Shown (learned)" : "Part of displays", wide: true },
      { head: "Take fraction", wide: true },
      { head: "Displays", number: true },
      { head: "Plays", number: true },
    ],
    shown.map((one) => row(one, most, all)),
    { hidden: true },
  );
}

function row(one, most, all) {
  const share = one.isWhole ? one.share : all ? one.displays / all : null;
  const part = h(
    "div",
    { class: "measured" },
    h("span", { class: "part" }, h("span", { style: { width: `${(100 * (share ?? 0)).toFixed(1)}%` } })),
    h("span", { class: "figures", text: percent(share, 0) }),
  );
  const take = h("div", { class: "measured" }, bar(one.take, most), h("span", { class: "figures", text: inFigures(one.take) }));
  return [h("span", { class: "artwork", title: one.id }, picture(one.id), h("span", { text: shortName(one.id) })), part, take, count(one.displays), count(one.plays)];
}

/** An artwork's name without its title's. */
function shortName(id) {
  const prefix = `${state.chosen}.`;
  return id.startsWith(prefix) ? id.slice(prefix.length) : id;
}

function picture(id) {
  if (!state.pictures) return null;
  return h("img", { src: `/demo/files/art/${encodeURIComponent(id)}.svg`, alt: "", width: "72", height: "41", loading: "lazy" });
}
