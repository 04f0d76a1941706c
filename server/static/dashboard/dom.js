// Elements made by script, and changed in place: what is looked at, pointed at or focused stays.

/**
 * Make an element. `set` holds attributes; `class` and `text` are what they say, `style` an object
 * of properties, set by script as the page's policy asks. Nothing is ever read as markup.
 */
export function h(tag, set = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(set)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "style") {
      for (const [property, to] of Object.entries(value)) element.style.setProperty(property, to);
    } else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Make an element's children those given, changing as little as need be. */
export function fill(element, ...children) {
  const wanted = children.flat(3).filter((child) => child !== null && child !== undefined);
  const nodes = wanted.map((child) => (child instanceof Node ? child : new Text(child)));
  nodes.forEach((node, place) => {
    const there = element.childNodes[place];
    if (!there) element.append(node);
    else if (there !== node && !changed(there, node)) there.replaceWith(node);
  });
  while (element.childNodes.length > nodes.length) element.lastChild.remove();
}

function changed(there, wanted) {
  if (there.nodeName !== wanted.nodeName) return false;
  if (there.nodeType === Node.TEXT_NODE) {
    if (there.data !== wanted.data) there.data = wanted.data;
    return true;
  }
  for (const { name, value } of wanted.attributes) {
    if (name === "style") continue;
    if (there.getAttribute(name) !== value) there.setAttribute(name, value);
  }
  for (const { name } of [...there.attributes]) {
    if (name !== "style" && !wanted.hasAttribute(name)) there.removeAttribute(name);
  }
  if (there.style.cssText !== wanted.style.cssText) there.style.cssText = wanted.style.cssText;
  fill(there, ...wanted.childNodes);
  return true;
}

/** A table: `columns` are {head, number?, wide?}, `rows` lists of cells (text or elements). */
export function table(caption, columns, rows, { hidden = false } = {}) {
  return h(
    "div",
    { class: "table-room", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", { class: hidden ? "unseen" : null, text: caption }),
      h("thead", {}, h("tr", {}, columns.map(headCell))),
      h("tbody", {}, rows.map((cells) => bodyRow(columns, cells))),
    ),
  );
}

function headCell(column) {
  return h("th", { scope: "col", class: classOf(column), text: column.head });
}

function bodyRow(columns, cells) {
  return h(
    "tr",
    {},
    cells.map((cell, place) =>
      h(
        place ? "td" : "th",
        { scope: place ? null : "row", class: classOf(columns[place]) },
        cell ?? "–",
      ),
    ),
  );
}

function classOf(column) {
  return column.number ? "number" : column.wide ? "wide" : null;
}
