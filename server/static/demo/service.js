// The calls of the API that this page makes.

async function ask(method, path, body, { keepalive = false } = {}) {
  const answer = await fetch(path, {
    method,
    keepalive,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
  });
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.detail), { status: answer.status });
  return told;
}

export const service = {
  page: () => ask("GET", "/demo/files/page.json"),
  snapshots: () => ask("GET", "/v1/snapshots"),
  status: () => ask("GET", "/v1/status"),
  rank: (request) => ask("POST", "/v1/rank", request),
  explain: (id) => ask("GET", `/v1/decisions/${encodeURIComponent(id)}/explain`),
  feedback: (events, options) => ask("POST", "/v1/feedback", { events }, options),
};
