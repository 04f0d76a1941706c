// The client: a page in time, always, and feedback that is not lost.

import { ClientError, NoAnswerError } from "./errors.js";
import { FeedbackQueue, type FeedbackCounts, type FeedbackOptions } from "./feedback.js";
import { newId } from "./ids.js";
import { listenToPage } from "./page_life.js";
import { browserStore, type EventStore } from "./store.js";
import { Transport, type Patience } from "./transport.js";
import type {
  FeedbackEvent,
  FeedbackType,
  RankAnswer,
  RankBatchAnswer,
  RankRequest,
  StatusAnswer,
} from "./wire.js";

const UNHURRIED: Patience = { deadlineMs: 30_000, retries: 0 };

const FEEDBACK: FeedbackOptions = {
  batch: 200,
  delayMs: 500,
  retryMs: 100,
  waitingMax: 10_000,
  ageMaxMs: 86_400_000,
  onRefused: (event, why) => console.warn(`marquee: event ${event.event_id} refused: ${why}`),
};

export interface ClientOptions {
  /** An API key. Never give one to a page: there the decision's token is enough for feedback. */
  readonly apiKey?: string;
  /** Milliseconds for a page over all tries; 500 by default. */
  readonly deadlineMs?: number;
  /** Tries after the first; 2 by default. */
  readonly retries?: number;
  /** Milliseconds for one try, so that one that hangs leaves time for another. */
  readonly tryTimeoutMs?: number;
  readonly feedback?: Partial<FeedbackOptions>;
  /** Where unsent feedback outlives the page: by default localStorage in browsers, else nowhere. */
  readonly store?: EventStore | undefined;
}

/** What to show when the server does not answer in time, or how to make it. */
export type DefaultPage = RankAnswer | ((asked: RankRequest) => RankAnswer);

/** A page to show, and where it came from; `reason` tells why the default was taken. */
export type RankResult =
  | { readonly source: "server"; readonly answer: RankAnswer }
  | { readonly source: "default"; readonly answer: RankAnswer; readonly reason: string };

/** What else is known of a click or play. */
export interface FeedbackDetails {
  readonly row?: string;
  /** Seconds watched. */
  readonly seconds?: number;
  /** Share of the title's length watched, from 0 to 1. */
  readonly fraction?: number;
}

/** A client of one Marquee service. */
export class Client {
  readonly #transport: Transport;
  readonly #patience: Patience;
  readonly #feedback: FeedbackQueue;
  readonly #stopListening: () => void;

  constructor(baseUrl: string, options: ClientOptions = {}) {
    this.#transport = new Transport(baseUrl, options.apiKey);
    this.#patience = {
      deadlineMs: options.deadlineMs ?? 500,
      retries: options.retries ?? 2,
      tryTimeoutMs: options.tryTimeoutMs,
    };
    const store = "store" in options ? options.store : browserStore(baseUrl);
    const settings = { ...FEEDBACK, ...options.feedback };
    this.#feedback = new FeedbackQueue(this.#transport, settings, store);
    this.#stopListening = listenToPage(this.#feedback);
  }

  /**
   * Have a page decided; without an answer in time, take the default page.
   *
   * A page without a decision id is given one, so that all tries mean the same decision.
   *
   * @throws NoAnswerError no answer came in time, and there is no default page.
   * @throws RequestRefusedError the server refused the page.
   */
  async rank(page: RankRequest, options: { default?: DefaultPage } = {}): Promise<RankResult> {
    const asked = identified(page);
    try {
      const answer = await this.#post("/v1/rank", asked);
      return { source: "server", answer: checked<RankAnswer>(answer, "decision_id") };
    } catch (error) {
      const fallback = options.default;
      if (!(error instanceof NoAnswerError) || fallback === undefined) throw error;
      const answer = typeof fallback === "function" ? fallback(asked) : fallback;
      return { source: "default", answer, reason: error.message };
    }
  }

  /**
   * Have several pages decided; each is answered by a decision or a problem.
   *
   * @throws NoAnswerError no answer came in time.
   * @throws RequestRefusedError the server refused the batch as a whole.
   */
  async rankBatch(pages: readonly RankRequest[]): Promise<RankBatchAnswer> {
    const answer = await this.#post("/v1/rank/batch", { pages: pages.map(identified) });
    return checked<RankBatchAnswer>(answer, "pages");
  }

  /**
   * Tell that a deferred decision was shown.
   *
   * @throws NoAnswerError no answer came in time.
   * @throws RequestRefusedError the server refused the call.
   */
  async activate(decisionId: string): Promise<void> {
    // Whoever resolves URLs takes these for steps through the path, however they are written.
    if (decisionId === "." || decisionId === "..") {
      throw new ClientError(`a decision called ${decisionId} cannot be named in a URL`);
    }
    await this.#post(`/v1/decisions/${encodeURIComponent(decisionId)}/activate`);
  }

  /** Queue feedback on a page that `rank` returned; a default page has none to give. */
  report(
    page: RankResult,
    type: FeedbackType,
    title: string,
    details: FeedbackDetails = {},
  ): void {
    if (page.source === "default") return;
    const { decision_id, token } = page.answer;
    const at = Date.now() / 1000;
    this.feedback({ event_id: newId(), decision_id, token, type, title, at, ...details });
  }

  /** Queue an event; it is sent in the background and again until the server has it. */
  feedback(event: FeedbackEvent): void {
    this.#feedback.put(event);
  }

  /** Return what became of the events so far. */
  feedbackCounts(): FeedbackCounts {
    return this.#feedback.counts();
  }

  /** Send all queued feedback now; tell whether none waited any more within `timeoutMs`. */
  async flush(timeoutMs = 10_000): Promise<boolean> {
    return this.#feedback.flush(timeoutMs);
  }

  /**
   * Return the service's status.
   *
   * @throws NoAnswerError no answer came in time.
   * @throws RequestRefusedError the server refused the call.
   */
  async status(): Promise<StatusAnswer> {
    const call = { method: "GET", path: "/v1/status" } as const;
    return checked<StatusAnswer>(await this.#transport.call(call, UNHURRIED), "verdict");
  }

  /** Send queued feedback for up to `timeoutMs`, then stop; a store keeps the rest. */
  async close(timeoutMs = 5000): Promise<void> {
    await this.#feedback.close(timeoutMs);
    this.#stopListening();
  }

  async #post(path: string, asked?: unknown): Promise<unknown> {
    return this.#transport.call({ method: "POST", path, asked }, this.#patience);
  }
}

function identified(page: RankRequest): RankRequest {
  return { ...page, decision_id: page.decision_id ?? newId() };
}

/** Tell an answer of Marquee from something that merely is JSON. */
function checked<Answer>(answer: unknown, field: string & keyof Answer): Answer {
  if (typeof answer === "object" && answer !== null && field in answer) return answer as Answer;
  throw new NoAnswerError(`the answer cannot be read: it has no ${field}`);
}
