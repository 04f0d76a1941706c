// Names for the types of docs/openapi.json, from which schema.ts is generated.

import type { components } from "./schema.js";

type Schemas = components["schemas"];

export type FeedbackAnswer = Schemas["FeedbackAnswer"];
export type FeedbackEvent = Schemas["FeedbackEvent"];
export type FeedbackType = FeedbackEvent["type"];
export type PageRow = Schemas["PageRow"];
export type Problem = Schemas["Problem"];
export type RankAnswer = Schemas["RankAnswer"];
export type RankBatchAnswer = Schemas["RankBatchAnswer"];
export type RankRequest = Schemas["RankRequest"];
export type StatusAnswer = Schemas["StatusAnswer"];
