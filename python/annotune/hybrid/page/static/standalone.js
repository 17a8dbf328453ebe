// Where texts come from and answers go to in the stand-alone file: its own data, and the browser's storage.
// The same questions as of a server (server.js), answered here. What was decided is a list that only grows; the
// answers that hold are what is left of it after every undo.

import { Refusal } from "./server.js";

export class StandAlone {
  constructor(data) {
    this.data = data;
    this.offline = true;
    this.prefix = `annotune:answers:${data.study.name}:${data.study.coder}:`;
    this.decisions = decisionsIn(this.prefix);
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
    const open = (item) => ["open", "again"].includes(this.state(item));
    const item = place === null ? items.find(open) : items.find((other) => other.place === place);
    if (item === undefined) return { finished: true, progress: this.progress() };
    const again = this.state(item) === "again";
    const { arms, given, ...shown } = item;
    const more = { state: this.state(item), again: again ? { why: "second" } : null, progress: this.progress() };
    const proposals = again ? {} : shown.proposals;
    return { ...shown, ...more, proposals, of: items.length, answers: again ? {} : this.answers(item) };
  }

  async send(path, body) {
    if (path === "/api/pause") return {};
    if (path !== "/api/answer" && path !== "/api/undo") throw new Refusal(400, { error: "This needs the server." });
    const undone = path === "/api/undo" ? this.standing().at(-1) : null;
    if (!this.decisions.some((decision) => decision.body.key === body.key)) this.keep({ path, body, at: now() });
    if (path === "/api/answer") return { saved: true, version: this.data.study.version, progress: this.progress() };
    return { place: undone ? this.data.items.find((item) => item.unit_id === undone.body.unit_id).place : null };
  }

  keep(decision) {
    const name = this.prefix + String(this.decisions.length).padStart(9, "0");
    try {
      localStorage.setItem(name, JSON.stringify(decision));
    } catch {
      throw new Refusal(507, { error: "This browser keeps nothing more.", advice: "Export your answers now." });
    }
    this.decisions.push(decision);
  }

  /** The answers that were not undone, in their order. */
  standing() {
    const stack = [];
    for (const decision of this.decisions) {
      if (decision.path === "/api/answer") stack.push(decision);
      else stack.pop();
    }
    return stack;
  }

  of(item) {
    return this.standing().filter((decision) => decision.body.unit_id === item.unit_id);
  }

  answers(item) {
    return Object.assign({}, ...this.of(item).map((decision) => decision.body.answers));
  }

  /** A decoy is coded a second time, without it. */
  state(item) {
    const times = this.of(item).length;
    if (times === 0) return "open";
    return times === 1 && Object.values(item.arms ?? {}).includes("decoy") ? "again" : "done";
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
    const each = median(this.standing().map((decision) => decision.body.seconds));
    const left = each === null ? null : each * (items.length - done);
    return { done, of: items.length, seconds_each: each, seconds_left: left };
  }

  /** What is written into the exported file: one entry per text, variable and arm, as it stands. */
  exported() {
    const { name, coder } = this.data.study;
    const rows = new Map();
    for (const item of this.data.items) {
      for (const [time, { body, at }] of this.of(item).entries()) {
        for (const [variable, answer] of Object.entries(body.answers)) {
          const decoy = item.arms?.[variable] === "decoy";
          const second = decoy && time > 0;
          const arm = second ? "blind" : (item.arms?.[variable] ?? null);
          const proposals = second ? [] : (item.given?.[variable] ?? []);
          const row = { unit_id: item.unit_id, variable, ...answer, seconds: body.seconds, at, proposals, arm };
          rows.set(JSON.stringify([item.unit_id, variable, second]), row);
        }
      }
    }
    return { annotune: 1, study: name, coder, answers: [...rows.values()] };
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

function median(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}

function now() {
  return new Date().toISOString().replace("Z", "+00:00");
}
