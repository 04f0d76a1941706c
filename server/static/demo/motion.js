// Movements: rows glide to their new places, pictures fade over. None where less motion is wanted.

const GLIDE_MS = 480;
const FADE_MS = 420;
const EASE = "cubic-bezier(0.2, 0.7, 0.2, 1)";

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** How to scroll for who looks. */
export function scrolling() {
  return still.matches ? "auto" : "smooth";
}

/** Apply `change` to the page, then let each of `elements` glide from where it was. */
export function glide(elements, change) {
  const before = new Map(elements.map((one) => [one, one.getBoundingClientRect().top]));
  change();
  if (still.matches) return 0;
  let moved = 0;
  for (const [element, top] of before) {
    if (!element.isConnected) continue;
    const way = top - element.getBoundingClientRect().top;
    if (Math.abs(way) < 1) continue;
    moved += 1;
    element.animate([{ transform: `translateY(${way}px)` }, { transform: "none" }], {
      duration: GLIDE_MS,
      easing: EASE,
    });
  }
  return moved;
}

export function appear(element) {
  if (!still.matches) element.animate([{ opacity: 0 }, { opacity: 1 }], { duration: FADE_MS });
}

/** Put another picture over the one in `frame`, and take the old one away once it is covered. */
export function fadeTo(frame, url, alt) {
  const old = [...frame.querySelectorAll("img")];
  const next = document.createElement("img");
  next.alt = alt;
  next.decoding = "async";
  next.draggable = false;
  next.src = url;
  const clear = () => old.forEach((image) => image.remove());
  frame.append(next);
  if (!old.length || still.matches) return clear();
  old.forEach((image) => (image.alt = ""));
  const shown = () => {
    const fade = next.animate([{ opacity: 0 }, { opacity: 1 }], { duration: FADE_MS });
    fade.onfinish = clear;
  };
  next.decode().then(shown, clear);
}
