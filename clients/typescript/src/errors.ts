// What the client throws. Both kinds have ClientError as their root.

import type { Problem } from "./wire.js";

/** The root of what the client throws. */
export class ClientError extends Error {
  override name = "ClientError";
}

/** No usable answer came before the deadline; the message tells the last try's fate. */
export class NoAnswerError extends ClientError {
  override name = "NoAnswerError";
}

/** The server refused the request; `problem` says why and what to do. */
export class RequestRefusedError extends ClientError {
  override name = "RequestRefusedError";

  constructor(readonly problem: Problem) {
    super(`${problem.status} ${problem.title}: ${problem.detail} (${problem.hint})`);
  }
}
