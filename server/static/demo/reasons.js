// What moved a score: the features with the largest contributions, in words and as bars.

import { signedBar } from "./bars.js";
import { make, signed } from "./dom.js";

const NAMESPACES = /\b(context|artwork|title|row)\./g;

/** A feature's name as people read it. */
function readable(feature) {
  return feature
    .split(" × ")
    .map((part) => {
      if (part.startsWith("id.") || part.startsWith("id=")) return "itself, beyond its features";
      return part.replace(NAMESPACES, "").replace(/_/g, " ").replace("=", ": ");
    })
    .join(" × ");
}

/** A list of contributions, `rest` last. */
export function reasons(contributions, rest) {
  const most = Math.max(...contributions.map((one) => Math.abs(one.value)));
  return make(
    "ul",
    { className: "reasons" },
    ...contributions.map((one) => line(readable(one.feature), one.value, signedBar(one.value, most))),
    line("all others together", rest, make("span")),
  );
}

function line(name, value, drawn) {
  return make(
    "li",
    {},
    make("span", { className: "reason", textContent: name }),
    drawn,
    make("span", { className: "figures", textContent: signed(value) }),
  );
}
