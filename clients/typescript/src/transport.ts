// The way over the network: one deadline over all tries, and what each outcome means.
//
// A call is tried again when the connection failed, when no answer came in a try's time, and when
// the server or a proxy said 429, 502, 503 or 504. It is never tried again when it was refused,
// nor past its deadline. Every body carries the ids that make repeating it harmless.

import { NoAnswerError, RequestRefusedError } from "./errors.js";
import { Nap, spread } from "./waiting.js";
import type { Problem } from "./wire.js";

const TRY_AGAIN = new Set([429, 502, 503, 504]);
const BACKOFF_MS = 20;
const BACKOFF_MS_MAX = 1000;

/** How long a call may take, and how often it is tried. */
export interface Patience {
  /** Milliseconds for all tries together. */
  readonly deadlineMs: number;
  /** Tries after the first. */
  readonly retries: number;
  /** Milliseconds for one try; all that is left without it. */
  readonly tryTimeoutMs?: number | undefined;
}

/** A request: `asked` is its body, and `keepalive` lets it outlive the page. */
export interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly asked?: unknown;
  readonly keepalive?: boolean;
}

/** One try failed in a way that another may not. */
class TryAgain extends Error {
  constructor(
    message: string,
    readonly afterMs = 0,
  ) {
    super(message);
  }
}

/** Calls to one server. */
export class Transport {
  readonly #baseUrl: string;
  readonly #headers: Record<string, string>;

  constructor(baseUrl: string, apiKey: string | undefined) {
    this.#baseUrl = baseUrl.replace(/\/+$/, "");
    this.#headers = { Accept: "application/json" };
    if (apiKey !== undefined) this.#headers["Authorization"] = `Bearer ${apiKey}`;
  }

  /**
   * Make a call and return the answer's value, undefined if it has none.
   *
   * @throws NoAnswerError no usable answer came in time.
   * @throws RequestRefusedError the server refused the request.
   */
  async call(call: Call, patience: Patience): Promise<unknown> {
    const ends = performance.now() + patience.deadlineMs;
    for (let attempt = 0; ; attempt += 1) {
      const left = ends - performance.now();
      try {
        return await this.#try(call, Math.min(left, patience.tryTimeoutMs ?? left));
      } catch (error) {
        if (!(error instanceof TryAgain)) throw error;
        const wait = Math.max(error.afterMs, backoffMs(attempt));
        if (attempt >= patience.retries || wait >= ends - performance.now()) {
          throw new NoAnswerError(error.message, { cause: error });
        }
        await new Nap(wait, { background: false }).over;
      }
    }
  }

  /** Hand a body over to the browser, which sends it after the page; tell whether it took it. */
  beacon(path: string, asked: unknown): boolean {
    const body = new Blob([JSON.stringify(asked)], { type: "application/json" });
    return navigator.sendBeacon(this.#baseUrl + path, body);
  }

  async #try(call: Call, timeoutMs: number): Promise<unknown> {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), Math.max(timeoutMs, 0));
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.#baseUrl + call.path, this.#request(call, controller.signal));
      text = await response.text();
    } catch (error) {
      throw new TryAgain(controller.signal.aborted ? "no answer came in time" : told(error));
    } finally {
      clearTimeout(timer);
    }
    return judged(response, text);
  }

  #request(call: Call, signal: AbortSignal): RequestInit {
    const init: RequestInit = {
      method: call.method,
      headers: this.#headers,
      signal,
      cache: "no-store",
      // Marquee knows no cookies, and lets pages of other sites send none.
      credentials: "omit",
      redirect: "manual",
      keepalive: call.keepalive ?? false,
    };
    if (call.asked === undefined) return init;
    const headers = { ...this.#headers, "Content-Type": "application/json" };
    return { ...init, headers, body: JSON.stringify(call.asked) };
  }
}

function judged(response: Response, text: string): unknown {
  const { status } = response;
  if (TRY_AGAIN.has(status)) {
    throw new TryAgain(`the server answered ${status}`, retryAfterMs(response));
  }
  if (status >= 400 && status < 500) throw new RequestRefusedError(problemOf(status, text));
  if (!response.ok) throw new NoAnswerError(`the server answered ${status}`);
  return text === "" ? undefined : parsed(text);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new NoAnswerError("the answer cannot be read: it is no JSON", { cause: error });
  }
}

function problemOf(status: number, text: string): Problem {
  try {
    const problem: unknown = JSON.parse(text);
    if (isProblem(problem)) return problem;
  } catch {
    // A proxy's page, mostly: it is told of below.
  }
  return {
    type: "about:blank",
    title: "Refused",
    status,
    detail: "the answer is no problem document",
    hint: "check that the base URL leads to Marquee",
  };
}

function isProblem(value: unknown): value is Problem {
  return (
    typeof value === "object" && value !== null && "title" in value && "detail" in value &&
    "hint" in value
  );
}

function retryAfterMs(response: Response): number {
  const given = response.headers.get("Retry-After") ?? "";
  return /^\d+$/.test(given) ? Number(given) * 1000 : 0;
}

function backoffMs(attempt: number): number {
  return spread(Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** attempt));
}

function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
