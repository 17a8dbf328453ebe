// The codebook beside the text: definitions and examples of one variable's labels, with a search in them.

import { byId, cap, element, icon } from "./dom.js";
import { inOrder, keysOf, matching } from "./labels.js";
import { counted, plainName } from "./words.js";

export class CodebookPanel {
  /**
   * @param actions {choose(label), leave(), sharpen(variable, label) or null where nobody may}
   * @param language of the codebook
   */
  constructor(actions, language) {
    this.actions = actions;
    this.words = { dir: "auto", lang: language };
    this.variable = null;
    this.entries = new Map();
    this.search = byId("search");
    this.search.addEventListener("input", () => this.filter());
    this.search.addEventListener("keydown", (event) => this.searchKey(event));
    byId("codebook-close").addEventListener("click", () => this.close());
    byId("open-codebook").addEventListener("click", () => this.open());
  }

  /** Show a variable's labels, and mark those that are chosen, and the one whose definition has changed. */
  show(variable, chosen, changed = null) {
    if (this.variable !== variable) this.build(variable);
    for (const [name, node] of this.entries) {
      node.classList.toggle("chosen", chosen.includes(name));
      node.classList.toggle("changed", name === changed);
    }
    for (const name of [chosen.at(-1), changed]) {
      if (this.entries.has(name) && this.wide) reveal(this.entries.get(name), byId("entries"));
    }
  }

  get wide() {
    return getComputedStyle(byId("codebook")).position !== "fixed";
  }

  build(variable) {
    this.variable = variable;
    const labels = inOrder(variable.labels);
    const keys = keysOf(labels.length);
    const parents = new Set(labels.map((label) => label.parent));
    this.entries = new Map(labels.map((label, place) => [label.name, this.entry(label, keys[place], parents)]));
    byId("codebook-title").textContent = `Codebook: ${plainName(variable.name)}`;
    byId("entries").replaceChildren(...this.entries.values());
    this.search.value = "";
    this.filter();
  }

  entry(label, key, parents) {
    const name = plainName(label.name);
    const words = element("span", { class: "name", text: name, ...this.words });
    const code = element("span", { class: "code", text: String(label.code), title: "Code" });
    const head = element("h3", {}, cap(key), words, code);
    const body = [label.definition ? element("p", { text: label.definition, ...this.words }) : null];
    if (label.examples?.length) {
      const examples = label.examples.map((example) => element("li", { text: example, ...this.words }));
      body.push(element("ul", { class: "examples", "aria-label": "Examples" }, ...examples));
    }
    const child = label.parent !== null && label.parent !== undefined ? " child" : "";
    const parent = parents.has(label.code) ? " parent" : "";
    const node = element("article", { class: `entry${child}${parent}` }, head, ...body);
    if (this.actions.sharpen) node.append(this.sharpener(label, name));
    return node;
  }

  sharpener(label, name) {
    const spoken = { "aria-label": `Sharpen the definition of ${name}`, title: "Sharpen the definition" };
    const button = element("button", { type: "button", class: "sharpen", ...spoken }, icon("pencil"));
    button.addEventListener("click", () => this.actions.sharpen(this.variable, label));
    return button;
  }

  filter() {
    const query = this.search.value.trim();
    this.hits = query ? matching(this.variable.labels, query) : inOrder(this.variable.labels);
    for (const [name, node] of this.entries) node.hidden = !this.hits.some((label) => label.name === name);
    byId("entries").replaceChildren(...this.hits.map((label) => this.entries.get(label.name)));
    for (const node of this.entries.values()) node.classList.remove("first");
    if (query && this.hits.length > 0) this.entries.get(this.hits[0].name).classList.add("first");
    const words = counted(this.hits.length, "label fits.", "labels fit.");
    const found = this.hits.length > 0 ? `${words} Enter chooses the first.` : "No label fits.";
    byId("hits").textContent = query ? found : "";
    byId("entries").scrollTop = 0;
  }

  searchKey(event) {
    if (event.key === "Enter" && this.search.value.trim() && this.hits.length > 0) {
      event.preventDefault();
      this.actions.choose(this.hits[0].name);
      this.close();
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.close();
    }
  }

  open() {
    byId("codebook").classList.add("open");
    this.search.focus();
    this.search.select();
  }

  close() {
    byId("codebook").classList.remove("open");
    this.search.value = "";
    this.filter();
    this.actions.leave();
  }
}

/** Scroll a box until a node in it is seen, and no further; the page itself stays. */
function reveal(node, box) {
  const [inner, outer] = [node.getBoundingClientRect(), box.getBoundingClientRect()];
  if (inner.top < outer.top) box.scrollTop += inner.top - outer.top;
  else if (inner.bottom > outer.bottom) box.scrollTop += Math.min(inner.bottom - outer.bottom, inner.top - outer.top);
}
