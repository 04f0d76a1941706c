// Pages, against a real server, and a gate that makes it late, deaf or gone.

import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";

import { Client, NoAnswerError, RequestRefusedError, type RankAnswer } from "../src/index.js";
import { Gate } from "./gate.js";
import { Marquee, PAGE } from "./marquee.js";

const OWN: RankAnswer = {
  decision_id: "",
  token: "",
  share: "holdout",
  catalog: "",
  snapshots: {},
  rows: [],
  titles: [],
};

let marquee: Marquee;
let gate: Gate;

before(async () => {
  marquee = await Marquee.start();
});
after(async () => marquee.stop());
beforeEach(async () => {
  gate = await Gate.before(marquee.url);
});
afterEach(async () => gate.close());

function impatient(deadlineMs: number): Client {
  return new Client(gate.url, { apiKey: "the-clients-key", deadlineMs });
}

test("a page is decided by the server", async () => {
  const page = await marquee.client().rank(PAGE, { default: OWN });
  assert.equal(page.source, "server");
  assert.deepEqual(page.answer.rows.map((row) => row.id).sort(), ["comedy", "noir"]);
  for (const title of page.answer.rows.flatMap((row) => row.titles)) {
    assert.ok(["dark", "light"].includes(title.artwork));
    assert.ok(title.propensity > 0 && title.propensity <= 1);
  }
});

test("a server that hangs costs the deadline, and gives the default page", async () => {
  gate.mode = "hang";
  const page = await impatient(100).rank(PAGE, { default: OWN });
  assert.ok(page.source === "default" && page.reason === "no answer came in time");
  assert.equal(page.answer, OWN);
});

test("the default page may be made from what was asked", async () => {
  gate.mode = "hang up";
  const page = await impatient(100).rank(PAGE, {
    default: (asked) => ({ ...OWN, catalog: asked.viewer_id ?? "" }),
  });
  assert.equal(page.source, "default");
  assert.equal(page.answer.catalog, "ada");
});

test("without a default page, no answer is an error", async () => {
  gate.mode = "hang";
  await assert.rejects(impatient(50).rank(PAGE), NoAnswerError);
});

test("an answer that does not come to its end costs the deadline as well", async () => {
  gate.mode = "stutter";
  await assert.rejects(impatient(300).rank(PAGE), /no answer came in time/);
});

test("a try that hangs leaves time for another, which means the same decision", async () => {
  gate.mode = "hang";
  const client = new Client(gate.url, {
    apiKey: "the-clients-key",
    deadlineMs: 30_000,
    tryTimeoutMs: 1_000,
  });
  const asked = client.rank(PAGE);
  const first = await gate.heard(/"decision_id":"(\w+)"/);
  gate.mode = "pass";
  const page = await asked;
  assert.equal(page.source, "server");
  assert.equal(page.answer.decision_id, first);
  const all = [...gate.seen.matchAll(/"decision_id":"(\w+)"/g)].map((match) => match[1]);
  assert.ok(all.length > 1);
  assert.deepEqual([...new Set(all)], [first]);
});

test("connections that break are made again", async () => {
  gate.mode = "hang up";
  const asked = impatient(30_000).rank(PAGE);
  await gate.heard(/POST \/v1\/rank/);
  gate.mode = "pass";
  assert.equal((await asked).source, "server");
});

test("a refused page is an error that says what to do, and is not asked for again", async () => {
  const wrong = { ...PAGE, viewer: "ada" };
  const refused = await impatient(30_000)
    .rank(wrong, { default: OWN })
    .catch((error: unknown) => error);
  assert.ok(refused instanceof RequestRefusedError);
  assert.equal(refused.problem.status, 422);
  assert.match(refused.message, /viewer.*\(.*spelling.*\)/);
  assert.equal(gate.seen.match(/POST/g)?.length, 1);
});

test("an unknown key is refused", async () => {
  const client = new Client(marquee.url, { apiKey: "wrong" });
  await assert.rejects(client.rank(PAGE, { default: OWN }), /401/);
});

test("what is no Marquee is no answer", async () => {
  const elsewhere = new Client(`${marquee.url}/elsewhere`, { deadlineMs: 30_000 });
  await assert.rejects(elsewhere.rank(PAGE), RequestRefusedError);
});

test("pages of a batch are judged singly", async () => {
  const wrong = { ...PAGE, rows: [{ id: "no such", titles: [] }] };
  const { pages } = await marquee.client().rankBatch([PAGE, wrong]);
  assert.equal(pages[0]?.decision?.rows.length, 2);
  assert.equal(pages[1]?.problem?.status, 422);
});

test("a deferred decision is activated, whatever its id", async () => {
  const client = marquee.client();
  for (const decision_id of ["plain", "a/b:c@d", "a/../b", "..."]) {
    const page = await client.rank({ ...PAGE, decision_id, defer: true });
    assert.equal(page.answer.decision_id, decision_id);
    await client.activate(decision_id);
  }
});

test("an id that no URL can name is refused", async () => {
  await assert.rejects(marquee.client().activate(".."), /cannot be named/);
});

test("the status tells whether it learns", async () => {
  const status = await marquee.client().status();
  assert.equal(typeof status.verdict, "string");
});

test("ids are random without a global crypto, too", async () => {
  const kept = Object.getOwnPropertyDescriptor(globalThis, "crypto");
  assert.ok(kept !== undefined);
  Object.defineProperty(globalThis, "crypto", { value: undefined, configurable: true });
  try {
    const page = await marquee.client().rank(PAGE);
    assert.match(page.answer.decision_id, /^[0-9a-f]{32}$/);
  } finally {
    Object.defineProperty(globalThis, "crypto", kept);
  }
});
