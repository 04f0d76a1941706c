// Latency by stage and route, since the start or over the last minute.

import { choice } from "./choice.js";
import { byId, h, table } from "./dom.js";
import { count, digits, duration } from "./format.js";
import { panel } from "./panel.js";
import { figuresBetween } from "./quantiles.js";

const KEPT_MS = 60_000;
const STAGES = ["decode", "decide", "log", "encode"];

export function startLatency() {
  const kept = [];
  const again = () => feed.again();
  const span = choice(byId("latency-choices"), "latency", "Span", [["minute", "Last minute"], ["start", "Since the start"]], again);
  const feed = panel("latency", "/v1/latency", {
    nothing: "Latency appears with the first requests.",
    render: (answer) => {
      if (kept.at(-1)?.answer !== answer) kept.push({ answer, at: performance.now() });
      while (kept.length > 2 && performance.now() - kept[1].at > KEPT_MS) kept.shift();
      const first = span.value === "minute" ? kept[0] : null;
      const seconds = first ? (kept.at(-1).at - first.at) / 1000 : null;
      return tables(answer, first?.answer, seconds);
    },
  });
}

function tables(answer, before, seconds) {
  if (!Object.keys(answer.routes).length) return null;
  if (before === answer) return h("p", { class: "nothing", text: "The last minute’s latency appears with the next answers." });
  const rowsOf = (family, names) =>
    names
      .filter((name) => answer[family][name])
      .map((name) => [name, figuresBetween(answer.bounds_s, answer[family][name], before?.[family]?.[name])])
      .filter(([, figures]) => figures.count > 0);
  const stages = rowsOf("stages", [...new Set([...STAGES, ...Object.keys(answer.stages)])]);
  const routes = rowsOf("routes", Object.keys(answer.routes)).sort(([, one], [, other]) => other.count - one.count);
  const most = Math.max(...stages.map(([, figures]) => figures.p99_s));
  const when = seconds === null ? "since the start" : `last ${duration(seconds)}`;
  return h(
    "div",
    { class: "pair" },
    latencyTable(`Stages of a rank request, ${when}`, "Stage", stages, most, seconds),
    latencyTable(`Requests, ${when}`, "Route", routes, null, seconds),
  );
}

function latencyTable(caption, head, rows, most, seconds) {
  const columns = [
    { head },
    { head: seconds === null ? "Count" : "per s", number: true },
    { head: "p50", number: true },
    { head: "p95", number: true },
    { head: "p99", number: true },
    ...(most === null ? [] : [{ head: "p50 to p99", wide: true }]),
  ];
  return table(
    caption,
    columns,
    rows.map(([name, figures]) => [
      name.replaceAll(/<(?:path:)?(\w+)>/g, "{$1}"),
      seconds === null ? count(figures.count) : digits(figures.count / seconds, 2),
      duration(figures.p50_s),
      duration(figures.p95_s),
      duration(figures.p99_s),
      ...(most === null ? [] : [span(figures, most)]),
    ]),
  );
}

/** From the median to the 99th percentile, on a scale by the square root: most are small. */
function span(figures, most) {
  const at = (value) => 100 * Math.sqrt(value / most);
  const left = at(figures.p50_s);
  return h(
    "span",
    { class: "range latency" },
    h("span", { class: "span", style: { left: `${left.toFixed(1)}%`, width: `${Math.max(1, at(figures.p99_s) - left).toFixed(1)}%` } }),
    h("span", { class: "mark", style: { left: `${at(figures.p95_s).toFixed(1)}%` } }),
  );
}
