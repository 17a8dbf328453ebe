// Elements are made here and nowhere else. What comes from data is set as text or as an attribute, never read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** A new element with these attributes; `text` is its text, and null or false leaves an attribute out. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** One of the drawings in the page's sprite, which screen readers pass over. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** The key that does the same, as a small cap beside it; its element says so to screen readers by itself. */
export function cap(key) {
  return key === null ? null : element("kbd", { text: key, "aria-hidden": "true" });
}

export function byId(id) {
  return document.getElementById(id);
}

/** Say something to screen readers without moving the focus; the same sentence twice is said twice. */
export function announce(sentence) {
  const live = byId("live");
  live.textContent = live.textContent === sentence ? `${sentence}\u00a0` : sentence;
}
