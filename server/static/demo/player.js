// A player without a film: time runs, fast by default, and one may pause and seek.

import { clock, make } from "./dom.js";

const SPEEDS = [
  [1, "real time"],
  [60, "60 × speed"],
  [600, "600 × speed"],
];
const USUAL = 600;
const STEP_MAX_S = 0.25; // a hidden page draws no frames; what it missed was not watched

export class Player {
  /** `length` in seconds; `ended` is called when the film is over, `watched` with the share seen. */
  constructor(place, name, length, { ended, watched }) {
    this.length = length;
    this.watched = 0; // seconds of film that ran
    this.at = 0;
    this.speed = USUAL;
    this.ended = ended;
    this.tellWatched = watched;
    this.frame = 0;
    this.last = null;
    this.build(place, name);
  }

  build(place, name) {
    this.toggle = make("button", {
      type: "button",
      className: "icon-button",
      id: "pause",
      onclick: () => (this.frame ? this.stop() : this.start()),
    });
    this.bar = make("input", {
      type: "range",
      min: 0,
      max: Math.round(this.length),
      step: 1,
      value: 0,
      id: "seek",
      attributes: { "aria-label": `Position in ${name}` },
      oninput: () => this.seek(Number(this.bar.value)),
    });
    this.time = make("span", { className: "figures player-time" });
    const speed = make(
      "select",
      { attributes: { "aria-label": "Speed" }, onchange: () => (this.speed = Number(speed.value)) },
      ...SPEEDS.map(([value, text]) =>
        make("option", { value, textContent: text, selected: value === USUAL }),
      ),
    );
    place.replaceChildren(this.toggle, this.bar, this.time, speed);
    place.hidden = false;
    this.show();
    this.toggle.focus();
  }

  start() {
    if (this.frame) return;
    this.last = null;
    this.frame = requestAnimationFrame((now) => this.tick(now));
    this.show();
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.show();
  }

  seek(to) {
    this.at = to;
    this.show();
  }

  tick(now) {
    const passed = this.last === null ? 0 : Math.min(STEP_MAX_S, (now - this.last) / 1000);
    this.last = now;
    const run = Math.min(passed * this.speed, this.length - this.at);
    this.at += run;
    this.watched += run;
    this.tellWatched(Math.min(1, this.watched / this.length));
    if (this.at >= this.length) {
      this.stop();
      this.ended();
      return;
    }
    this.frame = requestAnimationFrame((next) => this.tick(next));
    this.show();
  }

  show() {
    this.toggle.textContent = this.frame ? "❚❚" : "▶";
    this.toggle.setAttribute("aria-label", this.frame ? "Pause" : "Go on");
    this.bar.value = this.at;
    this.bar.setAttribute("aria-valuetext", `${clock(this.at)} of ${clock(this.length)}`);
    this.bar.style.setProperty("--done", `${(100 * this.at) / this.length}%`);
    this.time.textContent = `${clock(this.at)} / ${clock(this.length)}`;
  }
}
