// Asks before something is done that viewers will see.

import { byId } from "./dom.js";

/** Ask; resolves to whether it may be done. */
export function confirmed({ title, text, yes }) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** Do something after a question, and say in `place` how it went. */
export async function doAfterAsking(question, place, act) {
  if (!(await confirmed(question))) return;
  place.dataset.state = "doing";
  place.textContent = "…";
  try {
    place.textContent = await act();
    place.dataset.state = "done";
  } catch (error) {
    place.dataset.state = "failed";
    place.textContent = `${error.message}. ${error.hint ?? ""}`;
  }
}
