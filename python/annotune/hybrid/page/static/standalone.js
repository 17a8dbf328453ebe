// Where texts come from and answers go to in the stand-alone file: its own data, and the browser's storage.
// The same questions as of a server (server.js), answered here. What was decided is a list that only grows; the
// answers that hold are what is left of it after every undo.

import { Refusal } from "./server.js";

const LAG = 20; // texts that lie at least between an answer beside such a proposal and the second look at its text

export class StandAlone {
  constructor(data) {
    this.data = data;
    this.offline = true;
    this.prefix = `annotune:answers:${data.study.id}:${data.study.coder}:`;
    this.read();
    window.addEventListener("storage", () => this.read()); // the file may be open in another tab, too
  }

  /** All that was decided, and what of it holds for each text. */
  read() {
    this.decisions = decisionsIn(this.prefix);
    this.standing = standingOf(this.decisions);
    this.byUnit = new Map();
    for (const decision of this.standing) {
      const unit = decision.body.unit_id;
      this.byUnit.set(unit, [...(this.byUnit.get(unit) ?? []), decision]);
    }
  }

  async study() {
    return this.data.study;
  }

  async list() {
    const items = this.data.items.map((item) => this.listed(item));
    return { items, ...this.progress() };
  }

  async item(place) {
    const items = this.data.items;
    const open = (item) => this.state(item) !== "done";
    const item = place === null ? items.find(open) : items.find((other) => other.place === place);
    if (item === undefined) return { finished: true, progress: this.progress() };
    const state = this.state(item);
    const own = { state, answers: this.answers(item), progress: this.progress(), of: items.length };
    const second = this.isSecondLook(item);
    const again = second ? { why: "second" } : item.again;
    const proposals = second || this.wasSeenAgain(item) ? {} : item.proposals;
    return { ...item, ...own, proposals, again: state === "again" ? again : null };
  }

  async send(path, body) {
    if (path === "/api/pause") return {};
    if (path !== "/api/answer" && path !== "/api/undo") throw new Refusal(400, { error: "This needs the server." });
    const undone = path === "/api/undo" ? this.standing.at(-1) : null;
    if (!this.decisions.some((decision) => decision.body.key === body.key)) this.keep(this.decision(path, body));
    if (path === "/api/answer") return { saved: true, version: this.data.study.version, progress: this.progress() };
    return { unit_id: undone ? undone.body.unit_id : null };
  }

  decision(path, body) {
    const item = this.data.items.find((other) => other.unit_id === body.unit_id);
    const second = item !== undefined && (this.isSecondLook(item) || this.wasSeenAgain(item));
    return { path, body, at: now(), ...(second && { second }) };
  }

  keep(decision) {
    const last = this.decisions.at(-1)?.time ?? 0;
    const time = Math.max(Date.now(), last + 1); // two of one millisecond keep their order
    const name = `${this.prefix}${String(time).padStart(15, "0")}:${decision.body.key}`;
    try {
      localStorage.setItem(name, JSON.stringify({ ...decision, time }));
    } catch {
      throw new Refusal(507, { error: "This browser keeps nothing more.", advice: "Export your answers now." });
    }
    this.read();
  }

  of(item) {
    return this.byUnit.get(item.unit_id) ?? [];
  }

  /** Whether a text comes up without its proposal, and without what was said of it: later, or at the end. */
  isSecondLook(item) {
    if (!item.second || this.wasSeenAgain(item) || !this.isCoded(item)) return false;
    const own = this.of(item).at(-1);
    if (own === undefined && item.again?.why === "second") return true;
    const isOfItem = (decision) => decision.body.unit_id === item.unit_id;
    if (this.decisions.some((decision) => decision.second && isOfItem(decision))) return true; // it was undone
    const since = this.standing.slice(this.standing.indexOf(own) + 1).map((decision) => decision.body.unit_id);
    return new Set(since).size >= LAG || this.data.items.every((other) => this.isCoded(other));
  }

  wasSeenAgain(item) {
    return this.of(item).some((decision) => decision.second);
  }

  isCoded(item) {
    return this.of(item).length > 0 || ["done", "again"].includes(item.state);
  }

  answers(item) {
    if (this.isSecondLook(item)) return {};
    return Object.assign({}, item.answers, ...this.of(item).map((decision) => decision.body.answers));
  }

  /** What it was when the file was made, until it is coded here. */
  state(item) {
    if (this.isSecondLook(item)) return "again";
    if (this.of(item).length > 0) return "done";
    return ["done", "again"].includes(item.state) ? item.state : "open";
  }

  listed(item) {
    const answers = this.answers(item);
    const unsure = Object.values(answers).some((answer) => answer.unsure);
    const begins = Array.from(item.text).slice(0, 90).join("");
    return { place: item.place, unit_id: item.unit_id, state: this.state(item), unsure, begins, answers };
  }

  progress() {
    const items = this.data.items;
    const done = items.filter((item) => this.state(item) === "done").length;
    const each = median(this.standing.map((decision) => decision.body.seconds));
    const left = each === null ? null : each * (items.length - done);
    return { done, of: items.length, seconds_each: each, seconds_left: left };
  }

  /** What is written into the exported file: all that was decided and undone, in its order, as it would be posted. */
  exported() {
    const { name, coder } = this.data.study;
    const kind = (path) => path.split("/").at(-1);
    const about = ({ at, second }) => ({ at, ...(second && { second }) });
    const entries = this.decisions.map((decision) => ({ kind: kind(decision.path), ...decision.body, ...about(decision) }));
    return { format: "annotune-answers", version: 1, study: name, coder, entries };
  }
}

function decisionsIn(prefix) {
  try {
    const names = Object.keys(localStorage).filter((name) => name.startsWith(prefix));
    return names.sort().map((name) => JSON.parse(localStorage.getItem(name)));
  } catch {
    return [];
  }
}

/** The answers that were not undone, in their order. */
function standingOf(decisions) {
  const stack = [];
  for (const decision of decisions) {
    if (decision.path === "/api/answer") stack.push(decision);
    else stack.pop();
  }
  return stack;
}

function median(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}

function now() {
  return new Date().toISOString().replace("Z", "+00:00");
}
