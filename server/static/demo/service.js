// The calls of the API that this page makes.

import { call, get } from "/static/shared/api.js";

export const service = {
  page: () => get("/demo/files/page.json"),
  snapshots: () => get("/v1/snapshots"),
  status: () => get("/v1/status"),
  rank: (request) => call("POST", "/v1/rank", request),
  explain: (id) => get(`/v1/decisions/${encodeURIComponent(id)}/explain`),
  feedback: (events, options) => call("POST", "/v1/feedback", { events }, options),
};
