// The headline: does it learn, is it better, is anything wrong.

import { byId, fill, h } from "./dom.js";
import { ago, bits, capital, change, count, duration, percent, short } from "./format.js";
import { bar, inFigures, scaleFor } from "./ranges.js";
import { SURFACES, SURFACE_NAMES } from "./share_words.js";
import { source } from "./sources.js";

/** Start the tiles; they show what is known of both endpoints. */
export function startTiles() {
  const room = byId("overview");
  const status = source("/v1/status");
  const insights = source("/v1/insights");
  const show = () => fill(room, tiles(status.answer, insights.answer));
  show();
  status.watch(show, show);
  insights.watch(show, show);
}

function tiles(status, insights) {
  return [
    learningTile(status),
    liftTile(status, insights),
    takeTile(status, insights),
    ageTile(status),
    lagTile(status),
    alarmsTile(insights),
  ];
}

function tile({ name, state = "plain", big, lines, from, wide = false }) {
  return h(
    "section",
    { class: wide ? "tile wide" : "tile", "data-state": state, "data-tile": name },
    h("h2", { text: name }),
    h("p", { class: "big figures", text: big }),
    lines.map((line) => (line instanceof Node ? line : h("p", { class: "sub figures", text: line }))),
    h("p", { class: "source" }, h("a", { href: from, title: "The numbers as JSON", text: from })),
  );
}

function learningTile(status) {
  const from = "/v1/status";
  if (!status) return tile({ name: "Learning", big: "…", lines: ["Asking the service."], from, wide: true });
  const isBad = !status.learning;
  const words = status.verdict.replace(/^learning: /, "").replace(/\d{5,}/g, (all) => count(Number(all)));
  return tile({
    name: "Learning",
    state: isBad ? "bad" : "good",
    big: isBad ? "✕ Not learning" : "✓ Learning",
    lines: [`${capital(words)}.`, ...(status.not_logging ? [`Not logging: ${status.not_logging}`] : [])],
    from,
    wide: true,
  });
}

function liftTile(status, insights) {
  const from = insights ? "/v1/insights" : "/v1/status";
  const artwork = insights?.lift?.artwork;
  if (!artwork) {
    const rough = status?.lift?.artwork;
    return tile({
      name: "Lift over holdout",
      big: change(rough),
      lines: ["Reward a display, artwork.", "Its range appears once there are outcomes of both shares."],
      from,
    });
  }
  const [state, words] = judged(artwork);
  const rows = insights.lift.rows;
  return tile({
    name: "Lift over holdout",
    state,
    big: change(artwork.value),
    lines: [
      `Artwork ${ends(artwork)}`,
      rows ? `Rows ${change(rows.value)} ${ends(rows)}` : "Rows: too few outcomes yet",
      words(insights.confidence),
    ],
    from,
  });
}

function judged(lift) {
  if (lift.low > 0) return ["good", (sure) => `✓ Better, ${percent(sure, 0)} certain`];
  if (lift.high !== null && lift.high < 0) return ["bad", (sure) => `✕ Worse, ${percent(sure, 0)} certain`];
  return ["plain", () => "Not yet certain"];
}

function ends(lift) {
  const [low, high] = [lift.low, lift.high].map((end) => (end === null ? "?" : change(end).replace(" %", "")));
  return `(${low} to ${high})`;
}

function takeTile(status, insights) {
  const from = insights ? "/v1/insights" : "/v1/status";
  const shares = insights?.shares?.artwork;
  const learned = shares?.learned?.take ?? null;
  const holdout = shares?.holdout?.take ?? null;
  const rough = status?.shares?.artwork;
  const most = scaleFor([learned, holdout]);
  const line = (name, kind, range, fraction) =>
    h(
      "div",
      { class: "take-line" },
      h("span", { class: `key ${kind}`, text: name }),
      bar(range, most, kind),
      h("span", { class: "figures", text: range ? percent(range.value) : percent(fraction) }),
    );
  return tile({
    name: "Take fraction",
    big: learned ? percent(learned.value) : percent(rough?.learned?.take_fraction),
    lines: [
      line("learned", "learned", learned, rough?.learned?.take_fraction),
      line("holdout", "holdout", holdout, rough?.holdout?.take_fraction),
      learned ? `learned ${inFigures(learned)}` : "plays a display of artwork",
    ],
    from,
  });
}

function ageTile(status) {
  const models = SURFACES.map((surface) => [surface, status?.models?.[surface]]).filter(([, one]) => one);
  const oldest = Math.max(...models.map(([, model]) => model.age_s));
  const pinned = models.filter(([, model]) => model.pinned);
  return tile({
    name: "Age of the models",
    state: pinned.length ? "warn" : "plain",
    big: models.length ? duration(oldest) : "–",
    lines: [
      ...models.map(([surface, model]) => `${SURFACE_NAMES[surface]} ${duration(model.age_s)}${model.pinned ? ", held by hand" : ""}`),
      models.length ? openness(status) : "No model is served yet: the cold policy serves.",
    ],
    from: "/v1/status",
  });
}

function openness(status) {
  const artwork = status.entropy_bits?.artwork;
  return `Entropy ${bits(artwork)} a title`;
}

function lagTile(status) {
  const learner = status?.learner;
  if (!learner) return tile({ name: "Learner’s lag", big: "–", lines: ["No learner has told yet."], from: "/v1/status" });
  const learned = Object.values(learner.examples).reduce((sum, one) => sum + one, 0);
  return tile({
    name: "Learner’s lag",
    state: learner.lag_s > 60 ? "warn" : "plain",
    big: duration(learner.lag_s),
    lines: [
      `${short(learned)} examples learned`,
      `${count(learner.open_decisions)} decisions open`,
      ...(learner.dead_letters ? [`${count(learner.dead_letters)} records set aside`] : []),
    ],
    from: "/v1/status",
  });
}

function alarmsTile(insights) {
  const from = "/v1/insights";
  const alarms = insights?.alarms;
  if (!alarms) return tile({ name: "Drift alarms", big: "–", lines: ["They appear with the first insights."], from });
  const raised = alarms.filter((alarm) => alarm.state === "raised");
  const watching = alarms.filter((alarm) => alarm.state === "watching").length;
  return tile({
    name: "Drift alarms",
    state: raised.length ? "bad" : "plain",
    big: raised.length ? `⚠ ${raised.length} raised` : "None",
    lines: [
      ...raised.map((alarm) => `${SURFACE_NAMES[alarm.surface]}, ${ago(alarm.raised_at)}`),
      `${watching} of ${alarms.length} on watch`,
      ...(watching < alarms.length && !raised.length ? ["others still learn what is usual"] : []),
    ],
    from,
  });
}
