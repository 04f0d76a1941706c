// The examples of README.md against a real server.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Marquee, PAGE } from "./marquee.js";
import { Tab } from "./tab.js";

let marquee: Marquee;

before(async () => {
  marquee = await Marquee.start({ catalog: true, keys: false });
  process.env["MARQUEE_URL"] = marquee.url;
});
after(async () => marquee.stop());

test("the server's example gets a page and reports on it", async (context) => {
  const told = context.mock.method(console, "log", () => undefined);
  await import("./examples/example_0.js");
  const [page, counts] = told.mock.calls.map((call) => call.arguments as unknown[]);
  assert.equal(page?.[0], "server");
  assert.deepEqual(counts, [{ sent: 3, refused: 0, dropped: 0, waiting: 0 }]);
});

test("the browser's example reports on a page that its own server asked for", async () => {
  const tab = new Tab();
  const { answer } = await marquee.client().rank(PAGE);
  const own = globalThis.fetch;
  globalThis.fetch = async (asked, init) =>
    asked === "/homepage.json" ? Response.json(answer) : own(asked, init);
  try {
    const { seen, played } = await import("./examples/example_1.js");
    seen("noir-0", "noir");
    played("noir-0", "noir", 40);
    assert.equal(tab.localStorage.length, 2);
    tab.leave();
    while (tab.localStorage.length > 0) await new Promise((done) => setImmediate(done));
  } finally {
    globalThis.fetch = own;
    tab.close();
  }
});
