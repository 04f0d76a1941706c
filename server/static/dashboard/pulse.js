// Whether what is shown is live, and the way to the demo homepage where there is one.

import { byId } from "./dom.js";
import { moment } from "./format.js";
import { source } from "./sources.js";

export function startPulse() {
  const status = source("/v1/status");
  const trouble = byId("trouble");
  status.watch(
    () => {
      show("live", `live, ${moment(Date.now() / 1000)}`);
      trouble.hidden = true;
    },
    (error) => {
      show("lost", status.answer ? "not live" : "no answer");
      trouble.textContent = `${error.message}. ${error.hint} What is shown is what was known last.`;
      trouble.hidden = error.status === 401 || error.status === 403;
    },
  );
  source("/v1/config", 30_000).watch(
    ({ values }) => {
      byId("demo-link").hidden = !values.some(({ key, value }) => key === "pages.demo_directory" && value);
    },
    () => {},
  );
}

function show(state, words) {
  byId("pulse").dataset.state = state;
  byId("pulse-words").textContent = words;
}
