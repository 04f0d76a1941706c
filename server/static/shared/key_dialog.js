// A small dialog that asks for an API key.

const STYLE = "/static/shared/key_dialog.css";

/** Ask for a key; null if whoever was asked declines. `why` is the error that made it needed. */
export function askForKey(why) {
  if (!document.querySelector(`link[href="${STYLE}"]`)) {
    document.head.append(element("link", { rel: "stylesheet", href: STYLE }));
  }
  const input = element("input", {
    type: "password",
    id: "api-key",
    autocomplete: "off",
    required: true,
    spellcheck: false,
  });
  const decline = element("button", { type: "button", textContent: "Not now" });
  const form = element("form", { method: "dialog" }, [
    element("h2", { id: "key-title", textContent: "API key" }),
    element("p", { className: "key-why", textContent: reason(why) }),
    element("label", { htmlFor: "api-key", textContent: "Key" }),
    input,
    element("p", {
      className: "key-note",
      textContent: "It is kept in this tab alone and sent to this service alone.",
    }),
    element("div", { className: "key-buttons" }, [
      decline,
      element("button", { type: "submit", textContent: "Use this key" }),
    ]),
  ]);
  const dialog = element("dialog", { className: "key-dialog" }, [form]);
  dialog.setAttribute("aria-labelledby", "key-title");
  document.body.append(dialog);
  return new Promise((resolve) => {
    form.addEventListener("submit", () => {
      dialog.returnValue = "given";
    });
    decline.addEventListener("click", () => dialog.close("declined"));
    dialog.addEventListener("close", () => {
      const key = input.value.trim();
      const isGiven = dialog.returnValue === "given" && key !== "";
      dialog.remove();
      resolve(isGiven ? key : null);
    });
    dialog.showModal();
    input.focus();
  });
}

function reason(why) {
  if (why === null) return "What this page shows is asked for with a key.";
  if (why.status === 403) return "The key that was given may not do this: an admin’s key is needed.";
  return "This service asks for a key. An admin’s key shows everything.";
}

function element(tag, properties, children = []) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
