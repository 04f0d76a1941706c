// Calls of the service's API, with the key that whoever looks has given.
//
// The key lives in sessionStorage: it goes when the tab does, and no other site sees it.

import { askForKey } from "./key_dialog.js";

const KEY = "marquee.key";
const TIMEOUT_MS = 15_000;

/** What went wrong, in the words of the service's problem document where there is one. */
export class ApiError extends Error {
  constructor({ status = 0, title = "no answer", detail = "", hint = "" }) {
    super(detail || title);
    Object.assign(this, { name: "ApiError", status, title, detail, hint });
  }
}

let asking = null;
let wasDeclined = false;

/**
 * Call the service and return its decoded answer, null where there is none.
 *
 * A refusal for want of a key asks for one, once for all calls that wait, and tries again; whoever
 * declines is not asked again before `enterKey` is called.
 *
 * Throws an ApiError; its status is 0 where no answer came.
 */
export async function call(method, path, body = undefined, { keepalive = false } = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const answer = await send(method, path, body, keepalive, key);
    if (answer.ok) return answer.status === 204 ? null : await decoded(answer);
    const error = await errorOf(answer);
    if (answer.status !== 401 && answer.status !== 403) throw error;
    // Another call may have been given a key meanwhile.
    if (sessionStorage.getItem(KEY) !== key) continue;
    if (wasDeclined || !(await enterKey(error))) throw error;
  }
}

export const get = (path) => call("GET", path);
export const post = (path, body = undefined) => call("POST", path, body);

/** Ask for a key and keep it; false if none was given. Several callers share one question. */
export async function enterKey(why = null) {
  asking ??= askForKey(why).finally(() => {
    asking = null;
  });
  const key = await asking;
  wasDeclined = key === null;
  if (key !== null) sessionStorage.setItem(KEY, key);
  return key !== null;
}

/** Forget the key. */
export function forgetKey() {
  sessionStorage.removeItem(KEY);
  wasDeclined = false;
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;

/**
 * Do something every so often, one at a time, until `stop` of what is returned is called.
 *
 * Nothing is done while the tab is hidden. After failures the pauses double, up to a minute.
 * `now` does it at once. `act` must deal with its own errors and throw them on.
 */
export function poll(act, everyMs) {
  let timer = 0;
  let failures = 0;
  let isStopped = false;
  let isAtIt = false;

  async function turn() {
    clearTimeout(timer);
    if (isAtIt || isStopped || document.hidden) return;
    isAtIt = true;
    try {
      await act();
      failures = 0;
    } catch {
      failures += 1;
    }
    isAtIt = false;
    if (!isStopped) timer = setTimeout(turn, Math.min(everyMs * 2 ** Math.min(failures, 10), 60_000));
  }

  document.addEventListener("visibilitychange", turn);
  turn();
  return {
    now: turn,
    stop() {
      isStopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", turn);
    },
  };
}

async function send(method, path, body, keepalive, key) {
  const headers = { Accept: "application/json" };
  if (key !== null) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(path, {
      method,
      headers,
      keepalive,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      cache: "no-store",
    });
  } catch (error) {
    throw new ApiError({
      detail:
        error.name === "TimeoutError"
          ? `no answer within ${TIMEOUT_MS / 1000} s`
          : "the service cannot be reached",
      hint: "it is asked again; see whether it runs",
    });
  }
}

async function decoded(answer) {
  try {
    return await answer.json();
  } catch {
    throw new ApiError({ status: answer.status, detail: "the answer is no JSON" });
  }
}

async function errorOf(answer) {
  let problem = {};
  try {
    problem = await answer.json();
  } catch {
    // what stands in between may answer in its own words
  }
  return new ApiError({ title: answer.statusText, ...problem, status: answer.status });
}
