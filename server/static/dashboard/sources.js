// The endpoints that the page shows, each asked by one poll, however many panels show it.

import { get, poll } from "/static/shared/api.js";

const sources = new Map();

/**
 * An endpoint and what it last answered.
 *
 * `show` is called with each answer; `fail` with an ApiError where there is none.
 */
class Source {
  constructor(path, everyMs) {
    this.path = path;
    this.everyMs = everyMs;
    this.answer = null;
    this.error = null;
    this.watchers = [];
    this.polling = null;
  }

  watch(show, fail) {
    this.watchers.push({ show, fail });
    if (this.answer !== null) show(this.answer);
    else if (this.error) fail(this.error);
    this.polling ??= poll(() => this.ask(), this.everyMs);
  }

  /** Ask now, as after something was changed. */
  async refresh() {
    await this.ask().catch(() => {});
  }

  async ask() {
    try {
      this.answer = await get(this.path);
      this.error = null;
    } catch (error) {
      this.error = error;
      for (const { fail } of this.watchers) fail(error);
      throw error;
    }
    for (const { show } of this.watchers) show(this.answer);
  }

  /** Show the last answer again, as after another choice of what is shown. */
  again() {
    if (this.answer !== null) for (const { show } of this.watchers) show(this.answer);
  }
}

/** The source of a path; all who ask for the same get the same. */
export function source(path, everyMs = 2000) {
  if (!sources.has(path)) sources.set(path, new Source(path, everyMs));
  return sources.get(path);
}

/** Ask every source at once, as after a key was given. */
export function askAll() {
  for (const one of sources.values()) one.polling?.now();
}

