// Lines over time, drawn by uPlot; where it is not installed, or tables are asked for, a table.

import { fill, h, table } from "./dom.js";
import { moment } from "./format.js";

const HEIGHT = 190;
const LABELS = 72;
const TABLE_ROWS = 12;
const charts = new Set();

export const areChartsHere = () => typeof window.uPlot === "function";

const colour = (token) => getComputedStyle(document.documentElement).getPropertyValue(token).trim();

/** Draw every chart again, as after a change of colours. */
export function redrawCharts() {
  for (const chart of charts) chart.plot?.redraw(false);
}

/**
 * A chart in a room. Lines are {label, token (of a colour), dash, values}; `unit` turns a value
 * into words.
 */
export class Chart {
  constructor(room, { caption, unit, height = HEIGHT }) {
    Object.assign(this, { room, caption, unit, height, plot: null, drawn: "" });
    this.readout = h("p", { class: "readout figures", "aria-hidden": "true" });
    this.canvas = h("div", { class: "canvas", role: "img" });
    this.lines = [];
    charts.add(this);
    new ResizeObserver(() => {
      if (this.plot && this.canvas.clientWidth) {
        this.plot.setSize({ width: this.canvas.clientWidth, height });
      }
    }).observe(room);
  }

  /** Show lines over the moments `at` (Unix seconds, rising). */
  show(at, lines, { asTable = false, caption = this.caption } = {}) {
    this.caption = caption;
    this.lines = lines;
    if (asTable || !areChartsHere()) {
      this.forget();
      fill(this.room, this.asTable(at));
      return;
    }
    this.canvas.setAttribute("aria-label", this.inWords());
    const data = [at, ...lines.map((line) => line.values)];
    const wanted = JSON.stringify(lines.map(({ label, token, dash }) => [label, token, dash]));
    if (this.plot && this.drawn === wanted && this.canvas.isConnected) {
      this.plot.setData(data);
    } else {
      this.forget();
      this.drawn = wanted;
      this.room.replaceChildren(this.readout, this.canvas);
      this.plot = new window.uPlot(this.options(), data, this.canvas);
    }
    this.read(this.plot.cursor.idx ?? null);
  }

  forget() {
    this.plot?.destroy();
    this.plot = null;
    this.drawn = "";
  }

  options() {
    const axis = {
      stroke: () => colour("--text-2"),
      grid: { stroke: () => colour("--line"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    return {
      width: Math.max(200, this.canvas.clientWidth),
      height: this.height,
      padding: [8, LABELS, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
      scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
      axes: [
        { ...axis, size: 26, space: 70, values: (_plot, ticks, _axis, _space, step) => clocks(ticks, step) },
        { ...axis, size: 62, space: 36, values: (_plot, ticks) => ticks.map(this.unit) },
      ],
      series: [{}, ...this.lines.map(seriesOf)],
      hooks: {
        draw: [(plot) => this.label(plot)],
        setCursor: [(plot) => this.read(plot.cursor.idx ?? null)],
      },
    };
  }

  /** Write each line's name beside its end, apart from the others. */
  label(plot) {
    const { ctx } = plot;
    const dots = window.devicePixelRatio;
    const gap = 13 * dots;
    const labels = this.lines
      .map((line) => ({ line, value: line.values.findLast((value) => value !== null) }))
      .filter(({ value }) => value !== undefined)
      .map(({ line, value }) => ({ line, y: plot.valToPos(value, "y", true) }))
      .sort((one, other) => one.y - other.y);
    labels.forEach((label, place) => {
      if (place) label.y = Math.max(label.y, labels[place - 1].y + gap);
    });
    let floor = plot.bbox.top + plot.bbox.height;
    for (const label of labels.toReversed()) {
      label.y = Math.min(label.y, floor);
      floor = label.y - gap;
    }
    ctx.save();
    ctx.font = `600 ${11 * dots}px system-ui, sans-serif`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    for (const { line, y } of labels) {
      ctx.fillStyle = colour(line.token);
      ctx.fillText(line.label, plot.bbox.left + plot.bbox.width + 6 * dots, y);
    }
    ctx.restore();
  }

  /** Tell the values at a place, or the last ones. */
  read(place) {
    if (!this.plot) return;
    const at = this.plot.data[0];
    const index = place ?? at.length - 1;
    if (index < 0) return;
    const told = this.lines.map((line) =>
      h("span", {}, h("i", { style: { background: `var(${line.token})` } }), `${line.label} ${this.unit(line.values[index])}`),
    );
    fill(this.readout, h("b", { text: moment(at[index]) }), told);
  }

  inWords() {
    const last = this.lines.map((line) => {
      const value = line.values.findLast((one) => one !== null);
      return `${line.label} ${value === undefined ? "nothing yet" : this.unit(value)}`;
    });
    return `${this.caption}, last: ${last.join(", ")}`;
  }

  asTable(at) {
    const from = Math.max(0, at.length - TABLE_ROWS);
    const rows = at.slice(from).map((start, offset) => [
      moment(start),
      ...this.lines.map((line) => this.unit(line.values[from + offset])),
    ]);
    const heads = this.lines.map((line) => ({ head: line.label, number: true }));
    return table(this.caption, [{ head: "From" }, ...heads], rows.reverse());
  }
}

const clocks = (ticks, step) => ticks.map((tick) => moment(tick).slice(0, step < 60 ? 8 : 5));

function seriesOf(line) {
  return {
    label: line.label,
    stroke: () => colour(line.token),
    width: 2,
    dash: line.dash?.length ? line.dash : undefined,
    points: { show: (_plot, _series, from, to) => to - from < 3 },
    spanGaps: false,
  };
}
