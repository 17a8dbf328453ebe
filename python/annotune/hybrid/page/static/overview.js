// All of a coder's texts in their order, with what they were coded as.

import { byId, element, icon } from "./dom.js";
import { matching } from "./labels.js";
import { answerWords, counted, plainName } from "./words.js";

const FILTERS = {
  all: { words: "All", keep: () => true },
  open: { words: "Open", keep: (entry) => ["open", "skipped"].includes(entry.state) },
  again: { words: "Again", keep: (entry) => entry.state === "again" },
  done: { words: "Coded", keep: (entry) => entry.state === "done" },
  unsure: { words: "Unsure", keep: (entry) => entry.unsure },
};
const STATES = {
  open: { words: "open", icon: "open" },
  skipped: { words: "open", icon: "open" },
  again: { words: "again", icon: "again" },
  done: { words: "coded", icon: "check" },
};

export class Overview {
  /** @param onChoose called with the place of the text that was chosen */
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.filter = "all";
    this.list = [];
    byId("overview-search").addEventListener("input", () => this.fill());
  }

  show(list, place, filter = this.filter) {
    this.list = list;
    this.place = place;
    this.filter = filter;
    byId("overview-search").value = "";
    this.buildFilters();
    this.fill();
    byId("rows").querySelector("[aria-current]")?.scrollIntoView({ block: "center" });
  }

  buildFilters() {
    const choices = Object.entries(FILTERS).map(([name, { words, keep }]) => {
      const n = this.list.filter(keep).length;
      const input = element("input", { type: "radio", name: "filter", value: name });
      input.checked = name === this.filter;
      input.addEventListener("change", () => {
        this.filter = name;
        this.fill();
      });
      const count = element("span", { class: "count", text: n.toLocaleString("en") });
      const face = element("span", { class: "face" }, element("span", { text: words }), count);
      return element("label", { class: "option" }, input, face);
    });
    byId("filters").replaceChildren(...choices);
  }

  fill() {
    const query = byId("overview-search").value.trim();
    const kept = this.list.filter(FILTERS[this.filter].keep);
    const entries = query ? this.having(kept, query) : kept;
    byId("rows").replaceChildren(...entries.map((entry) => this.row(entry)));
    byId("none-shown").hidden = entries.length > 0;
    byId("shown-count").textContent = counted(entries.length, "text", "texts");
  }

  /** Texts are searched as labels are: in their beginning, their identifier and their labels. */
  having(entries, query) {
    const searchable = entries.map((entry) => ({
      name: entry.begins ?? "",
      code: entry.unit_id ?? entry.place,
      examples: Object.values(entry.answers ?? {}).map(answerWords),
      entry,
    }));
    const places = new Set(matching(searchable, query).map(({ entry }) => entry.place));
    return entries.filter((entry) => places.has(entry.place));
  }

  row(entry) {
    const state = STATES[entry.state];
    const answers = Object.entries(entry.answers ?? {});
    const several = answers.length > 1;
    const labels = answers.map(([variable, answer]) => {
      const text = (several ? `${plainName(variable)}: ` : "") + answerWords(answer);
      return element("span", { class: "label", dir: "auto", text });
    });
    if (entry.unsure) labels.push(element("span", { class: "flag", text: "unsure" }));
    const button = element(
      "button",
      { type: "button", class: `row ${entry.state}`, "aria-current": entry.place === this.place ? "true" : null },
      element("span", { class: "place", text: String(entry.place) }),
      element("span", { class: "state" }, icon(state.icon), element("span", { class: "hidden", text: state.words })),
      element("span", { class: "begins", text: entry.begins ?? entry.unit_id ?? "", dir: "auto" }),
      element("span", { class: "labels" }, ...labels),
    );
    button.addEventListener("click", () => this.onChoose(entry.place));
    return element("li", {}, button);
  }
}
