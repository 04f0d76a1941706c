export {
  Client,
  type ClientOptions,
  type DefaultPage,
  type FeedbackDetails,
  type RankResult,
} from "./client.js";
export { ClientError, NoAnswerError, RequestRefusedError } from "./errors.js";
export type { FeedbackCounts, FeedbackOptions } from "./feedback.js";
export { WebStorageStore, type EventStore, type KeptEvent } from "./store.js";
export type {
  FeedbackEvent,
  FeedbackType,
  PageRow,
  Problem,
  RankAnswer,
  RankBatchAnswer,
  RankRequest,
  StatusAnswer,
} from "./wire.js";
