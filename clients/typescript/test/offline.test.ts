// Feedback that outlives its page: kept in the tab's storage, and sent by the next one.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { Client, WebStorageStore, type FeedbackEvent, type RankResult } from "../src/index.js";
import { Gate } from "./gate.js";
import { Marquee, PAGE } from "./marquee.js";
import { Tab, TabStorage } from "./tab.js";

const LATER = { delayMs: 600_000 };

let marquee: Marquee;
let gate: Gate;
let tab: Tab;
let page: RankResult;

before(async () => {
  marquee = await Marquee.start();
  page = await marquee.client().rank(PAGE);
});
after(async () => marquee.stop());
beforeEach(async () => {
  gate = await Gate.before(marquee.url);
  tab = new Tab();
});
afterEach(async () => {
  tab.close();
  await gate.close();
});

function event(event_id: string, more: Partial<FeedbackEvent> = {}): FeedbackEvent {
  const { decision_id, token } = page.answer;
  return { event_id, decision_id, token, type: "impression", title: "noir-0", ...more };
}

/** Close the tab while offline, and open the page again in a new one, with the same storage. */
function reload(): void {
  const storage = tab.localStorage;
  tab.close();
  tab = new Tab(storage);
}

test("what was not sent is sent by the next page, and then forgotten", async () => {
  gate.mode = "hang up";
  const first = new Client(gate.url);
  for (const id of ["r1", "r2"]) first.feedback(event(id));
  await first.close(0);
  assert.equal(first.feedbackCounts().dropped, 0);
  reload();
  gate.mode = "pass";
  const second = new Client(gate.url, { feedback: { delayMs: 0 } });
  assert.equal(second.feedbackCounts().waiting, 2);
  assert.equal(await second.flush(30_000), true);
  assert.equal(second.feedbackCounts().sent, 2);
  assert.equal(await marquee.duplicates([event("r1"), event("r2")]), 2);
  assert.equal(tab.localStorage.length, 0);
  await second.close();
});

test("events that two tabs hold are stored once", async () => {
  gate.mode = "hang up";
  const first = new Client(gate.url, { feedback: LATER });
  first.feedback(event("tabs"));
  const second = new Client(gate.url, { feedback: LATER });
  gate.mode = "pass";
  assert.equal(await second.flush(30_000), true);
  assert.equal(await first.flush(30_000), true);
  assert.equal(first.feedbackCounts().sent + second.feedbackCounts().sent, 2);
  assert.equal(await marquee.duplicates([event("tabs")]), 1);
  await Promise.all([first.close(), second.close()]);
});

test("what is kept for one server is never sent to another", async () => {
  const other = await Gate.before(marquee.url);
  gate.mode = "hang up";
  const first = new Client(gate.url, { feedback: LATER });
  first.feedback(event("one-server"));
  await first.close(0);
  const second = new Client(other.url);
  assert.equal(second.feedbackCounts().waiting, 0);
  await second.close();
  await other.close();
});

test("events too old for their tokens, and more than may wait, are not kept", async () => {
  const store = new WebStorageStore(tab.localStorage, gate.url);
  const now = Date.now();
  store.put({ event: event("old"), at: now - 10_000 });
  ["n1", "n2", "n3"].forEach((id, at) => store.put({ event: event(id), at: now + at }));
  const feedback = { ...LATER, ageMaxMs: 5_000, waitingMax: 2 };
  const client = new Client(gate.url, { feedback });
  assert.deepEqual(client.feedbackCounts(), { sent: 0, refused: 0, dropped: 2, waiting: 2 });
  assert.deepEqual(store.load().map((kept) => kept.event.event_id), ["n2", "n3"]);
  assert.equal(await client.flush(30_000), true);
  await client.close();
});

test("damaged entries are removed, those of others left alone", async () => {
  const name = `marquee-feedback ${gate.url} `;
  tab.localStorage.setItem(`${name}d1`, "{");
  tab.localStorage.setItem(`${name}d2`, '{"at": "yesterday"}');
  tab.localStorage.setItem(`${name}d3`, "null");
  tab.localStorage.setItem("basket", "{");
  const client = new Client(gate.url);
  assert.equal(client.feedbackCounts().waiting, 0);
  assert.equal(tab.localStorage.length, 1);
  await client.close();
});

test("a full storage costs no event of this page", async () => {
  tab.close();
  tab = new Tab(new TabStorage(1));
  const client = new Client(gate.url, { feedback: LATER });
  for (const id of ["s1", "s2", "s3"]) client.feedback(event(id));
  assert.equal(tab.localStorage.length, 1);
  assert.equal(await client.flush(30_000), true);
  assert.equal(client.feedbackCounts().sent, 3);
  await client.close();
});

test("where storage is barred, events wait in memory", async () => {
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get: () => {
      throw new Error("SecurityError");
    },
  });
  const client = new Client(gate.url, { feedback: LATER });
  client.feedback(event("barred"));
  assert.equal(await client.flush(30_000), true);
  await client.close();
});

test("the network that is back is tried at once", async () => {
  gate.mode = "hang up";
  const client = new Client(gate.url, { feedback: { delayMs: 0, retryMs: 600_000 } });
  client.feedback(event("o1"));
  await gate.heard(/("o1".*){4}/s);
  gate.mode = "pass";
  assert.equal(await settled(client, 1, () => tab.comeOnline()), 1);
  await client.close();
});

for (const way of ["hide", "leave"] as const) {
  test(`a page that goes sends what it has: ${way}`, async () => {
    const client = new Client(gate.url, { feedback: LATER });
    client.feedback(event(`g-${way}`));
    tab[way]();
    await gate.heard(new RegExp(`"g-${way}"`));
    assert.equal(await client.flush(30_000), true);
    assert.equal(await marquee.duplicates([event(`g-${way}`)]), 1);
    await client.close();
  });
}

test("what a browser sends after the page comes in bodies that it takes", async () => {
  const client = new Client(gate.url, { feedback: LATER });
  const row = "r".repeat(256);
  const events = Array.from({ length: 400 }, (_, number) => event(`part-${number}`, { row }));
  for (const one of events.slice(0, 199)) client.feedback(one);
  tab.leave();
  assert.equal(await settled(client, 199), 199);
  const lengths = [...gate.seen.matchAll(/content-length: (\d+)/gi)].map((it) => Number(it[1]));
  assert.ok(lengths.length > 1);
  assert.ok(lengths.every((length) => length < 65_536));
  assert.equal(await marquee.duplicates(events), 199);
  await client.close();
});

test("a page that goes twice sends once what is on its way", async () => {
  const client = new Client(gate.url, { feedback: LATER });
  client.feedback(event("twice"));
  tab.hide();
  tab.leave();
  assert.equal(await settled(client, 1), 1);
  assert.equal(gate.seen.match(/POST/g)?.length, 1);
  await client.close();
});

test("a browser that cannot keep a request alive is given a beacon", async () => {
  const keepalive = Object.getOwnPropertyDescriptor(Request.prototype, "keepalive");
  assert.ok(keepalive !== undefined);
  Reflect.deleteProperty(Request.prototype, "keepalive");
  const beacons: [string, Blob][] = [];
  const sendBeacon = (url: string, body: Blob): boolean => beacons.push([url, body]) > 0;
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: { sendBeacon } });
  try {
    const client = new Client(gate.url, { feedback: LATER });
    client.feedback(event("beacon"));
    tab.leave();
    const [url, body] = beacons[0] ?? ["", new Blob()];
    assert.equal(url, `${gate.url}/v1/feedback`);
    assert.equal(body.type, "application/json");
    const asked = JSON.parse(await body.text()) as { events: FeedbackEvent[] };
    assert.deepEqual(asked.events.map((one) => one.event_id), ["beacon"]);
    assert.equal(client.feedbackCounts().waiting, 1);
    await client.close(0);
  } finally {
    Object.defineProperty(Request.prototype, "keepalive", keepalive);
  }
});

/** Wait until so many events were sent, without asking for it. */
async function settled(client: Client, count: number, meanwhile?: () => void): Promise<number> {
  while (client.feedbackCounts().sent < count) {
    meanwhile?.();
    await new Promise((done) => setImmediate(done));
  }
  return client.feedbackCounts().sent;
}
