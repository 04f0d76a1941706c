// The running configuration, and where each value comes from.

import { byId, h, table } from "./dom.js";
import { plain } from "./format.js";
import { panel } from "./panel.js";

export function startConfiguration() {
  const search = byId("config-search");
  const onlySet = byId("config-set");
  const feed = panel("config", "/v1/config", {
    everyMs: 30_000,
    nothing: "The running configuration, with the source of each value.",
    render: ({ values }) => {
      const asked = search.value.trim().toLowerCase();
      const found = values.filter((one) => isAsked(one, asked) && (asked || !onlySet.checked || one.source !== "default"));
      byId("config-count").textContent = `${found.length} of ${values.length} keys`;
      if (!found.length) {
        return h("p", { class: "nothing", text: asked ? "No key, value or description has these words." : "Everything has its default." });
      }
      return table(
        "Running configuration",
        [{ head: "Key" }, { head: "Value" }, { head: "Source" }, { head: "What it is" }],
        found.map((one) => [
          h("code", { text: one.key }),
          h("code", { class: "value", text: plain(one.value) }),
          h("span", { class: "state", "data-state": one.source === "default" ? "default" : "set", text: one.source }),
          h("span", { class: "note", text: one.description }),
        ]),
        { hidden: true },
      );
    },
  });
  search.addEventListener("input", () => feed.again());
  onlySet.addEventListener("change", () => feed.again());
}

function isAsked({ key, value, source, description }, asked) {
  if (!asked) return true;
  return [key, plain(value), source, description].some((text) => text.toLowerCase().includes(asked));
}
