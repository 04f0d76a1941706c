// The feedback queue: events are sent in batches in the background, and again until the server has
// them. An event keeps its id over all tries, and the server stores each id once: sending again is
// harmless. The queue is bounded; when it is full the oldest event makes room and is counted.

import { NoAnswerError, RequestRefusedError } from "./errors.js";
import type { EventStore, KeptEvent } from "./store.js";
import type { Patience, Transport } from "./transport.js";
import { Nap, spread } from "./waiting.js";
import type { FeedbackAnswer, FeedbackEvent } from "./wire.js";

const PATH = "/v1/feedback";
const PATIENCE: Patience = { deadlineMs: 5000, retries: 3 };
const ONE_TRY: Patience = { deadlineMs: 5000, retries: 0 };
const PAUSE_MS_MAX = 30_000;
/** What browsers send after a page is 64 KiB at most; the rest is for headers. */
const LEAVING_BYTES_MAX = 60_000;

/** How feedback is gathered, and how long it is kept. */
export interface FeedbackOptions {
  /** Most events sent together. */
  readonly batch: number;
  /** Milliseconds for which events are gathered. */
  readonly delayMs: number;
  /** Milliseconds before what could not be sent is tried again; doubles up to 30 seconds. */
  readonly retryMs: number;
  /** Most events that wait; past it the oldest make room. */
  readonly waitingMax: number;
  /** Milliseconds after which an unsent event is given up, as its token is refused by then. */
  readonly ageMaxMs: number;
  /** Called with each event that the server refused, and why. */
  readonly onRefused: (event: FeedbackEvent, why: string) => void;
}

/** What became of the events given to a client, or found in its store. */
export interface FeedbackCounts {
  /** The server has them. */
  readonly sent: number;
  /** Refused by the server, alone or with their batch. */
  readonly refused: number;
  /** Lost on this side: pushed out of the full queue, too old, or left over without a store. */
  readonly dropped: number;
  readonly waiting: number;
}

/** The bounded queue and what empties it. */
export class FeedbackQueue {
  readonly #kept = new Map<string, KeptEvent>();
  readonly #inFlight = new Set<string>();
  readonly #leaving = new Set<string>();
  readonly #counts = { sent: 0, refused: 0, dropped: 0 };
  #gathering: Nap | undefined;
  #pausing: Nap | undefined;
  #flushing = new Set<Nap>();
  #isRunning = false;
  #isClosed = false;

  constructor(
    private readonly transport: Transport,
    private readonly options: FeedbackOptions,
    private readonly store: EventStore | undefined,
  ) {
    for (const kept of store?.load() ?? []) this.#kept.set(kept.event.event_id, kept);
    this.#dropWhatIsTooMuch();
    this.#start();
  }

  /** Queue an event. After `close` it is dropped and counted. */
  put(event: FeedbackEvent): void {
    if (this.#isClosed) {
      this.#counts.dropped += 1;
      return;
    }
    const kept = { event, at: Date.now() };
    this.#kept.set(event.event_id, kept);
    this.store?.put(kept);
    this.#dropWhatIsTooMuch();
    if (this.#isBatchFull()) this.#gathering?.end();
    this.#start();
  }

  /** Return what became of the events so far. */
  counts(): FeedbackCounts {
    return { ...this.#counts, waiting: this.#kept.size };
  }

  /** Send all that waits, now; tell whether none waited any more within `timeoutMs`. */
  async flush(timeoutMs: number): Promise<boolean> {
    if (this.#kept.size > 0 && !this.#isClosed) {
      const nap = new Nap(timeoutMs, { background: false });
      this.#flushing.add(nap);
      this.hurry();
      await nap.over;
      this.#flushing.delete(nap);
    }
    return this.#kept.size === 0;
  }

  /** Try now what waits for another try, as when the network is back. */
  hurry(): void {
    this.#gathering?.end();
    this.#pausing?.end();
  }

  /** Send all that waits in a way that outlives the page, as far as the browser lets it. */
  leave(): void {
    const waiting = [...this.#kept.values()].filter(
      (kept) => !this.#leaving.has(kept.event.event_id),
    );
    for (const part of parts(waiting)) {
      if (canKeepAlive()) void this.#sendLeaving(part);
      else this.transport.beacon(PATH, { events: part.map((kept) => kept.event) });
    }
  }

  /** Flush for up to `timeoutMs`, then stop. What is left stays in the store, or is dropped. */
  async close(timeoutMs: number): Promise<void> {
    await this.flush(timeoutMs);
    this.#isClosed = true;
    if (this.store === undefined) {
      this.#counts.dropped += this.#kept.size;
      this.#kept.clear();
    }
    this.hurry();
  }

  #start(): void {
    if (this.#isRunning || this.#kept.size === 0) return;
    this.#isRunning = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    let pauseMs = this.options.retryMs;
    try {
      while (this.#kept.size > 0 && !this.#isClosed) {
        await this.#gather();
        if (await this.#send(this.#oldest())) {
          pauseMs = this.options.retryMs;
        } else {
          await this.#pause(pauseMs);
          pauseMs = Math.min(PAUSE_MS_MAX, pauseMs * 2);
        }
      }
    } finally {
      this.#isRunning = false;
    }
  }

  async #gather(): Promise<void> {
    if (this.#isBatchFull() || this.#flushing.size > 0) return;
    this.#gathering = new Nap(this.options.delayMs, { background: true });
    await this.#gathering.over;
  }

  async #pause(ms: number): Promise<void> {
    this.#pausing = new Nap(spread(ms), { background: true });
    await this.#pausing.over;
  }

  #isBatchFull(): boolean {
    return this.#kept.size >= this.options.batch;
  }

  #oldest(): KeptEvent[] {
    this.#dropWhatIsTooMuch();
    return [...this.#kept.values()].slice(0, this.options.batch);
  }

  /** Drop what is too old or too much, but not what is on its way. */
  #dropWhatIsTooMuch(): void {
    const oldest = Date.now() - this.options.ageMaxMs;
    for (const [id, { at }] of this.#kept) {
      const isTooMuch = this.#kept.size > this.options.waitingMax;
      if (!isTooMuch && at >= oldest) return;
      if (this.#inFlight.has(id)) continue;
      this.#forget(id);
      this.#counts.dropped += 1;
    }
  }

  async #sendLeaving(part: KeptEvent[]): Promise<void> {
    for (const { event } of part) this.#leaving.add(event.event_id);
    try {
      await this.#post(part, ONE_TRY, true);
    } finally {
      for (const { event } of part) this.#leaving.delete(event.event_id);
    }
  }

  async #send(events: KeptEvent[]): Promise<boolean> {
    if (events.length === 0) return true;
    for (const { event } of events) this.#inFlight.add(event.event_id);
    try {
      return await this.#post(events, PATIENCE, false);
    } finally {
      this.#inFlight.clear();
    }
  }

  /** Post events; tell whether they are done with, for better or worse. */
  async #post(kept: KeptEvent[], patience: Patience, keepalive: boolean): Promise<boolean> {
    const asked = { events: kept.map(({ event }) => event) };
    try {
      const call = { method: "POST", path: PATH, asked, keepalive } as const;
      const answer = await this.transport.call(call, patience);
      const reasons = reasonsIn(answer);
      this.#settle(kept, (index) => reasons.get(index));
    } catch (error) {
      if (error instanceof RequestRefusedError) this.#settle(kept, () => error.message);
      else if (error instanceof NoAnswerError) return false;
      else throw error;
    }
    return true;
  }

  #settle(events: KeptEvent[], whyRefused: (index: number) => string | undefined): void {
    events.forEach(({ event }, index) => {
      if (!this.#forget(event.event_id)) return;
      const why = whyRefused(index);
      this.#counts[why === undefined ? "sent" : "refused"] += 1;
      if (why !== undefined) this.#tellRefused(event, why);
    });
  }

  /** What the page's own function throws must not stop the events behind. */
  #tellRefused(event: FeedbackEvent, why: string): void {
    try {
      this.options.onRefused(event, why);
    } catch (error) {
      console.error("onRefused failed", error);
    }
  }

  #forget(id: string): boolean {
    this.store?.remove(id);
    const wasKept = this.#kept.delete(id);
    if (this.#kept.size === 0) for (const nap of this.#flushing) nap.end();
    return wasKept;
  }
}

/** Return why events were refused, by their place in the request. */
function reasonsIn(answer: unknown): Map<number, string> {
  const refused = (answer as Partial<FeedbackAnswer> | null | undefined)?.rejected;
  if (!Array.isArray(refused)) {
    throw new NoAnswerError("the answer cannot be read: it tells of no events");
  }
  return new Map(refused.map((one) => [one.index, `${one.detail} (${one.hint})`]));
}

/** Cut events into parts whose bodies a browser sends after the page. */
function parts(kept: KeptEvent[]): KeptEvent[][] {
  const encoder = new TextEncoder();
  const found: KeptEvent[][] = [];
  let room = 0;
  for (const one of kept) {
    const bytes = encoder.encode(JSON.stringify(one.event)).length + 1;
    if (bytes > room) {
      found.push([]);
      room = LEAVING_BYTES_MAX;
    }
    found.at(-1)?.push(one);
    room -= bytes;
  }
  return found;
}

function canKeepAlive(): boolean {
  return "keepalive" in Request.prototype;
}
