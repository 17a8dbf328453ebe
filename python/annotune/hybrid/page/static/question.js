// One variable of the codebook and its answer: labels, or that none applies, or that it cannot be coded.

import { cap, element } from "./dom.js";
import { SHIFT, grouped, inOrder, keysOf } from "./labels.js";
import { goTo } from "./passage.js";
import { answerWords, passageWords, plainName } from "./words.js";

export const OFFERS = ["a", "b"]; // the keys of what is proposed
const STATUSES = [
  { status: "none", key: "0", name: "No label applies" },
  { status: "missing", key: "x", name: "Cannot be coded" },
];

export function emptyAnswer() {
  return { labels: [], status: null, unsure: false, note: "" };
}

export function isAnswered(answer) {
  return answer.status !== null;
}

/** What is left of an answer where the codebook has lost labels of it: without any it has to be given anew. */
function standing(answer, variable) {
  if (answer?.status !== "ok") return answer;
  const names = variable.labels.map((label) => label.name);
  const labels = answer.labels.filter((label) => names.includes(label));
  return { ...answer, labels, status: labels.length > 0 ? "ok" : null };
}

export class Question {
  /**
   * @param variable of the codebook
   * @param answer what is chosen at first
   * @param offers [{title, labels, status, note, unsure, passages}]: proposals, or other people's codings
   * @param onChange called after every change by hand, with whether a single answer was chosen by it
   * @param language of the codebook, in which its words are read out and hyphenated
   */
  constructor(variable, answer, offers, onChange, language) {
    this.variable = variable;
    this.answer = { ...emptyAnswer(), ...standing(answer, variable) };
    this.offers = offers;
    this.onChange = onChange;
    this.words = { dir: "auto", lang: language };
    this.many = variable.kind === "multilabel";
    this.id = `question-${(Question.count = (Question.count ?? 0) + 1)}`;
    this.labelInputs = new Map();
    this.statusInputs = new Map();
    this.keys = new Map(); // what each key chooses
    this.node = this.build();
    this.show();
  }

  build() {
    const { name, instruction } = this.variable;
    const described = instruction ? `${this.id}-how` : null;
    return element(
      "fieldset",
      { class: `question ${this.variable.kind}`, id: this.id, "aria-describedby": described },
      element("legend", {}, element("span", { text: plainName(name), ...this.words }), this.kindWords()),
      instruction ? element("p", { class: "instruction", id: described, text: instruction, ...this.words }) : null,
      this.buildOffers(),
      this.buildLabels(),
      this.buildRest(),
    );
  }

  kindWords() {
    return this.many ? element("span", { class: "aside", text: "as many as apply" }) : null;
  }

  buildOffers() {
    if (this.offers.length === 0) return null;
    const cards = this.offers.map((offer, place) => {
      const card = this.buildOffer(offer, OFFERS[place] ?? null);
      const passages = this.buildPassages(offer);
      return passages.length === 0 ? card : element("div", { class: "offered" }, card, ...passages);
    });
    return element("div", { class: "offers" }, ...cards);
  }

  /** What decided for a proposal, in words; a click or Enter leads to where it stands in the text. */
  buildPassages({ passages = [] }) {
    return passages.map((passage) => {
      const words = passageWords(passage, passages.length > 1);
      const button = element("button", { type: "button", class: "to-passage", text: words });
      button.addEventListener("click", () => goTo(passage.span[0]));
      return button;
    });
  }

  buildOffer(offer, key) {
    const words = answerWords(offer);
    const own = offer.status === "ok" ? this.words : { dir: "auto" };
    const button = element("button", { type: "button", class: "offer", "aria-keyshortcuts": key });
    const title = element("span", { class: "aside" }, element("span", { text: offer.title, dir: "auto" }));
    if (offer.unsure) title.append(element("span", { class: "flag", text: "unsure" }));
    button.append(...[cap(key), title, element("span", { class: "name", text: words, ...own })].filter(Boolean));
    if (offer.note) button.append(element("q", { class: "small", text: offer.note, dir: "auto" }));
    const take = () => this.take(offer);
    button.addEventListener("click", take);
    if (key !== null) this.keys.set(key, take);
    return button;
  }

  buildLabels() {
    const keys = keysOf(this.variable.labels.length);
    const keyOf = new Map(inOrder(this.variable.labels).map((label, place) => [label, keys[place]]));
    if (this.variable.kind === "ordinal") return this.buildOptions(this.variable.labels, keyOf, "scale");
    const groups = grouped(this.variable.labels).map(({ parent, labels }) => {
      const options = this.buildOptions(labels, keyOf, "options");
      if (parent === null) return options;
      return element("div", { class: "group" }, this.buildOption(parent.name, keyOf.get(parent), "parent"), options);
    });
    return element("div", { class: "groups" }, ...groups);
  }

  buildOptions(labels, keyOf, kind) {
    const long = labels.some((label) => label.name.length > 28) ? " long" : "";
    const words = labels.flatMap((label) => plainName(label.name).split(/\s+/));
    const wide = labels.length * Math.max(...words.map((word) => word.length)) > 36 ? " wide" : ""; // for a phone
    const options = labels.map((label) => this.buildOption(label.name, keyOf.get(label)));
    return element("div", { class: `${kind}${long}${wide}` }, ...options);
  }

  buildOption(label, key, kind = "") {
    const choose = (stays) => this.chooseLabel(label, stays);
    return this.buildChoice(this.labelInputs, label, plainName(label), key, choose, kind);
  }

  buildChoice(inputs, value, words, key, choose, kind) {
    const type = this.many ? "checkbox" : "radio";
    const input = element("input", { type, name: this.id, value, "aria-keyshortcuts": spoken(key) });
    input.addEventListener("change", () => choose(input.matches(":focus-visible")));
    inputs.set(value, input);
    if (key !== null && key !== undefined) this.keys.set(key, choose);
    const own = inputs === this.labelInputs ? this.words : {};
    const name = element("span", { class: "name", text: words, dir: "auto", ...own });
    const face = element("span", { class: "face" }, ...[cap(key ?? null), name].filter(Boolean));
    return element("label", { class: `option ${kind}` }, input, face);
  }

  buildRest() {
    const statuses = STATUSES.map(({ status, key, name }) =>
      this.buildChoice(this.statusInputs, status, name, key, (stays) => this.chooseStatus(status, stays), "quiet"),
    );
    this.unsure = element("input", { type: "checkbox", "aria-keyshortcuts": "q" });
    this.unsure.addEventListener("change", () => this.toggleUnsure());
    const face = element("span", { class: "face" }, cap("q"), element("span", { class: "name", text: "Unsure" }));
    const unsure = element("label", { class: "option quiet" }, this.unsure, face);
    const words = element("span", { text: "Note" });
    const opener = element("button", { type: "button", class: "quiet", "aria-keyshortcuts": "n" }, cap("n"), words);
    opener.addEventListener("click", () => this.openNote());
    this.keys.set("q", () => this.toggleUnsure());
    this.keys.set("n", () => this.openNote());
    this.note = element("textarea", { rows: "2", maxlength: "2000", dir: "auto" });
    this.note.addEventListener("input", () => this.change({ note: this.note.value }));
    this.noted = element("label", { class: "note", hidden: true }, element("span", { text: "Note" }), this.note);
    const rest = element("div", { class: "rest" }, ...statuses, element("span", { class: "gap" }), unsure, opener);
    return element("div", {}, rest, this.noted);
  }

  /** What a label's or a status's key does; false where the key is none of this question's. */
  press(key) {
    const act = this.keys.get(key);
    if (act === undefined) return false;
    act();
    return true;
  }

  /** @param stays whether somebody walks through the choices by arrows, and may not have come to the right one */
  chooseLabel(label, stays = false) {
    const { labels } = this.answer;
    const without = labels.filter((other) => other !== label);
    const chosen = !this.many ? [label] : without.length < labels.length ? without : [...labels, label];
    this.change({ labels: chosen, status: chosen.length > 0 ? "ok" : null }, !this.many && !stays);
  }

  chooseStatus(status, stays = false) {
    const off = this.many && this.answer.status === status;
    this.change({ labels: [], status: off ? null : status }, !stays);
  }

  take({ labels, status }) {
    this.change({ labels: status === "ok" ? [...labels] : [], status }, true);
  }

  toggleUnsure() {
    this.change({ unsure: !this.answer.unsure });
  }

  openNote() {
    this.noted.hidden = false;
    this.note.focus();
    this.noted.scrollIntoView({ block: "nearest" });
  }

  change(values, complete = false) {
    Object.assign(this.answer, values);
    this.show();
    this.onChange(complete);
  }

  show() {
    const { labels, status, unsure, note } = this.answer;
    for (const [label, input] of this.labelInputs) input.checked = labels.includes(label);
    for (const [other, input] of this.statusInputs) input.checked = status === other;
    this.unsure.checked = unsure;
    if (this.note.value !== note) this.note.value = note;
    if (note) this.noted.hidden = false;
    this.node.classList.toggle("answered", isAnswered(this.answer));
  }

  /** Keys are shown beside the labels of the variable that they answer. */
  activate(active) {
    this.node.classList.toggle("active", active);
    if (active) this.node.setAttribute("aria-current", "true");
    else this.node.removeAttribute("aria-current");
  }

  /** The answer as it is sent: labels in the codebook's order, so that the same set is the same answer. */
  get sent() {
    const names = this.variable.labels.map((label) => label.name);
    const labels = names.filter((name) => this.answer.labels.includes(name));
    return { ...this.answer, labels, note: this.answer.note.trim() };
  }
}

/** A key as screen readers are told it. */
function spoken(key) {
  return key?.startsWith(SHIFT) ? `Shift+${key.slice(1)}` : (key ?? null);
}
