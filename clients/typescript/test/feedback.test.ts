// Feedback on its way to a real server that is killed, started again, deaf, or refuses it.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { Client, type FeedbackEvent, type RankResult } from "../src/index.js";
import { Gate } from "./gate.js";
import { Marquee, PAGE } from "./marquee.js";

let marquee: Marquee;
let gate: Gate;
let page: RankResult;

before(async () => {
  marquee = await Marquee.start();
  page = await marquee.client().rank(PAGE);
});
after(async () => marquee.stop());
beforeEach(async () => {
  gate = await Gate.before(marquee.url);
});
afterEach(async () => gate.close());

function event(event_id: string, more: Partial<FeedbackEvent> = {}): FeedbackEvent {
  const { decision_id, token } = page.answer;
  return { event_id, decision_id, token, type: "impression", title: "noir-0", ...more };
}

test("events are sent together once there are enough of them", async () => {
  const client = new Client(gate.url, { feedback: { batch: 3, delayMs: 600_000 } });
  const events = ["b1", "b2", "b3"].map((id) => event(id));
  for (const one of events.slice(0, 2)) client.feedback(one);
  assert.equal(client.feedbackCounts().waiting, 2);
  client.feedback(event("b3"));
  await gate.heard(/"b1".*"b2".*"b3"/s);
  assert.equal(await client.flush(30_000), true);
  assert.deepEqual(client.feedbackCounts(), { sent: 3, refused: 0, dropped: 0, waiting: 0 });
  assert.equal(gate.seen.match(/POST/g)?.length, 1);
  assert.equal(await marquee.duplicates(events), 3);
  await client.close();
});

test("events are sent after a while, though there are few", async () => {
  const client = new Client(gate.url, { feedback: { delayMs: 10 } });
  client.report(page, "play", "noir-1", { row: "noir", seconds: 90, fraction: 0.5 });
  await gate.heard(/"type":"play","title":"noir-1".*"seconds":90,"fraction":0.5/);
  await client.close(30_000);
  assert.equal(client.feedbackCounts().sent, 1);
});

test("a default page has no feedback to give", () => {
  const client = new Client(gate.url);
  client.report({ source: "default", answer: page.answer, reason: "" }, "click", "noir-1");
  assert.equal(client.feedbackCounts().waiting, 0);
});

test("a token is enough, and without one an event is refused and told of", async () => {
  const refused: string[] = [];
  const onRefused = (one: FeedbackEvent, why: string): number => refused.push(one.event_id, why);
  const client = new Client(gate.url, { feedback: { onRefused } });
  client.feedback(event("t1"));
  client.feedback({ ...event("t2"), token: null });
  client.feedback(event("t3", { fraction: 7 }));
  assert.equal(await client.flush(30_000), true);
  assert.deepEqual(client.feedbackCounts(), { sent: 1, refused: 2, dropped: 0, waiting: 0 });
  assert.match(refused.join(" "), /t2.*token.*t3.*fraction/);
  assert.equal(await marquee.duplicates([event("t1")]), 1);
  await client.close();
});

test("what onRefused throws stops no event behind", async (context) => {
  context.mock.method(console, "error", () => undefined);
  const onRefused = (): never => {
    throw new Error("a fault of the page's own");
  };
  const client = new Client(gate.url, { feedback: { onRefused, batch: 1 } });
  client.feedback(event("o1", { fraction: 7 }));
  client.feedback(event("o2"));
  assert.equal(await client.flush(30_000), true);
  assert.deepEqual(client.feedbackCounts(), { sent: 1, refused: 1, dropped: 0, waiting: 0 });
  await client.close();
});

test("a batch that is refused whole is not sent again", async () => {
  const refused: string[] = [];
  const onRefused = (_: FeedbackEvent, why: string): number => refused.push(why);
  const client = new Client(gate.url, { apiKey: "wrong", feedback: { onRefused } });
  client.feedback(event("w1"));
  assert.equal(await client.flush(30_000), true);
  assert.equal(client.feedbackCounts().refused, 1);
  assert.match(refused.join(), /401/);
  await client.close();
});

test("what the server heard without the client knowing is stored once", async () => {
  const client = new Client(gate.url, { feedback: { delayMs: 10 } });
  assert.equal(await marquee.duplicates([event("d1")]), 0);
  client.feedback(event("d1"));
  client.feedback(event("d2"));
  assert.equal(await client.flush(30_000), true);
  assert.equal(client.feedbackCounts().sent, 2);
  assert.equal(await marquee.duplicates([event("d1"), event("d2")]), 2);
  await client.close();
});

test("a full queue lets go of the oldest, and counts them", async () => {
  gate.mode = "hang up";
  const client = new Client(gate.url, { feedback: { waitingMax: 2, batch: 1, delayMs: 600_000 } });
  client.feedback(event("f1"));
  await gate.heard(/"f1"/);
  for (const id of ["f2", "f3", "f4"]) client.feedback(event(id));
  assert.equal(client.feedbackCounts().waiting, 2);
  assert.equal(client.feedbackCounts().dropped, 2);
  gate.mode = "pass";
  assert.equal(await client.flush(30_000), true);
  assert.equal(client.feedbackCounts().sent, 2);
  assert.equal(await marquee.duplicates([event("f4")]), 1);
  await client.close();
});

test("a server that hangs holds nobody up, and gets the events later", async () => {
  gate.mode = "hang";
  const client = new Client(gate.url, { feedback: { delayMs: 0 } });
  client.feedback(event("h1"));
  await gate.heard(/"h1"/);
  assert.equal(await client.flush(20), false);
  assert.equal(client.feedbackCounts().waiting, 1);
  gate.mode = "pass";
  assert.equal(await client.flush(60_000), true);
  assert.equal(await marquee.duplicates([event("h1")]), 1);
  await client.close();
});

test("events that got too old are given up, and nobody waits for them", async () => {
  gate.mode = "hang up";
  const client = new Client(gate.url, { feedback: { delayMs: 0, ageMaxMs: 50 } });
  client.feedback(event("aged"));
  assert.equal(await client.flush(600_000), true);
  assert.deepEqual(client.feedbackCounts(), { sent: 0, refused: 0, dropped: 1, waiting: 0 });
  await client.close();
});

test("without a store, what is left over at the end is counted", async () => {
  gate.mode = "hang up";
  const client = new Client(gate.url);
  client.feedback(event("l1"));
  await client.close(20);
  client.feedback(event("l2"));
  assert.deepEqual(client.feedbackCounts(), { sent: 0, refused: 0, dropped: 2, waiting: 0 });
  assert.equal(await client.flush(600_000), true);
});

test("a server that is killed and started again gets everything, once", async () => {
  const client = marquee.client({ feedback: { batch: 7, delayMs: 1 } });
  const events = Array.from({ length: 100 }, (_, number) => event(`k${number}`));
  for (const one of events.slice(0, 50)) client.feedback(one);
  await marquee.kill();
  for (const one of events.slice(50)) client.feedback(one);
  await marquee.restart();
  assert.equal(await client.flush(60_000), true);
  assert.deepEqual(client.feedbackCounts(), { sent: 100, refused: 0, dropped: 0, waiting: 0 });
  assert.equal(await marquee.duplicates(events), 100);
});
