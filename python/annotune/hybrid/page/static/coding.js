// The view in which texts are coded, one after the other: which text is shown, its questions, and what is sent.

import { announce, byId } from "./dom.js";
import { showPassage } from "./passage.js";
import { Question, isAnswered } from "./question.js";
import { plainName } from "./words.js";

const AHEAD = 5; // texts that are fetched before they are needed: so many can be coded while there is no connection
const AGAIN_AFTER = 3000; // milliseconds until a text that could not be fetched is asked for again

export class Coding {
  /**
   * @param desk gives list() and item(place): the server, the stand-alone file, or the differences
   * @param outbox takes what was decided
   * @param tools whose work it is (`name`), the clock, the codebook's panel, and what is to be called: onShown(),
   *   onReturn(), onProgress(progress), onFinished(list), onTrouble(error or null), onRefused(place, error),
   *   onSaved(place), onVersion()
   */
  constructor(desk, outbox, tools) {
    Object.assign(this, { desk, outbox, ...tools });
    this.study = null;
    this.list = [];
    this.item = null;
    this.questions = [];
    this.active = 0;
    this.ahead = new Map(); // promises of items that were not answered since they were fetched, by place
    this.history = []; // places that were answered, the last one at the end
    this.remembered = new Map(); // answers by text, shown again when they are undone
    this.unsent = new Map(); // items whose answers are not acknowledged, by place: they can be undone unheard
    this.draftsName = `annotune:drafts:${this.name}`;
    this.drafts = new Map(Object.entries(draftsKept(this.draftsName)));
    this.ticket = 0;
    byId("questions").addEventListener("pointerup", (event) => this.leavePointer(event));
  }

  async begin() {
    await this.outbox.flush();
    await this.refresh();
    await this.next();
  }

  async refresh() {
    const { items, done, of } = await this.desk.list();
    this.list = items;
    this.ahead.clear();
    this.tellProgress({ done, of, ...this.pace });
  }

  tellProgress(progress) {
    const { seconds_each = null } = progress ?? {};
    if (seconds_each !== null) this.pace = { seconds_each };
    const done = this.list.filter((entry) => entry.state === "done").length;
    const of = this.list.length;
    const each = this.pace?.seconds_each ?? null;
    this.onProgress({ done, of, seconds_left: each === null ? null : each * (of - done) });
  }

  /** The next text that is not coded: the first one after the present place, then from the beginning. */
  nextOpen(from = this.item?.place ?? 0) {
    const open = this.list.filter((entry) => entry.state !== "done");
    const after = open.find((entry) => entry.place > from) ?? open.find((entry) => entry.place !== from) ?? open[0];
    return after?.place ?? null;
  }

  async next() {
    const place = this.nextOpen();
    if (place !== null) return this.show(place);
    return this.finish();
  }

  /** Nothing is open here: what comes up again is known to the server alone, so it is asked once more. */
  async finish() {
    this.wait();
    const ticket = ++this.ticket;
    await this.outbox.flush();
    if (this.outbox.trouble) return this.later(ticket, this.outbox.trouble, () => this.finish());
    try {
      await this.refresh();
    } catch (error) {
      return this.later(ticket, error, () => this.finish());
    }
    this.onTrouble(null);
    const place = this.nextOpen(0);
    if (place !== null) return this.show(place);
    this.item = null;
    this.clock.start(null);
    this.onFinished(this.list);
  }

  fetch(place) {
    if (!this.ahead.has(place)) {
      const promise = this.desk.item(place);
      promise.catch(() => this.ahead.delete(place));
      this.ahead.set(place, promise);
    }
    return this.ahead.get(place);
  }

  later(ticket, error, again) {
    this.onTrouble(error);
    setTimeout(() => ticket === this.ticket && again(), AGAIN_AFTER);
  }

  wait() {
    byId("coding").classList.add("waiting");
  }

  async show(place, prefill = false) {
    const ticket = ++this.ticket;
    const slow = setTimeout(() => ticket === this.ticket && this.wait(), 150);
    let item;
    try {
      item = await this.fetch(place);
    } catch (error) {
      if (ticket !== this.ticket) return undefined;
      this.wait();
      return this.later(ticket, error, () => this.show(place, prefill));
    } finally {
      clearTimeout(slow);
    }
    if (ticket !== this.ticket) return undefined;
    this.onTrouble(null);
    if (item.finished) return this.finish();
    if (item.version > this.study.version) await this.onVersion();
    return this.lay(item, prefill);
  }

  lay(item, prefill) {
    this.item = item;
    this.onShown();
    byId("coding").classList.remove("waiting");
    const entry = this.entry(item.place);
    const state = item.state ?? entry?.state ?? "open";
    if (entry) entry.state = state; // the list may be older
    byId("place").textContent = `Text ${item.place.toLocaleString("en")} of ${item.of.toLocaleString("en")}`;
    byId("state").textContent = state === "done" ? "Coded; an answer can be changed" : "";
    if (item.progress) this.tellProgress(item.progress);
    const remembered = prefill ? (this.remembered.get(item.unit_id) ?? {}) : {};
    this.ask({ ...remembered, ...item.answers, ...this.drafts.get(item.unit_id) });
    showPassage(item, this.study.language);
    this.clock.start(item.unit_id);
    byId("passage").blur(); // focus that comes anew has screen readers say which text it is, and read it
    byId("passage").focus({ preventScroll: true });
    window.scrollTo(0, 0);
    byId("questions").scrollTop = 0;
    this.fetchAhead();
  }

  ask(answers) {
    const names = this.item.variables ?? this.study.variables.map((variable) => variable.name);
    const variables = names.map((name) => this.study.variables.find((variable) => variable.name === name));
    const change = this.changed.bind(this);
    this.questions = variables.map(
      (variable) => new Question(variable, answers[variable.name], this.offers(variable), change, this.study.language),
    );
    byId("questions").replaceChildren(...this.questions.map((question) => question.node));
    byId("questions").classList.toggle("several", this.questions.length > 1);
    for (const [place, question] of this.questions.entries()) {
      question.node.addEventListener("focusin", () => this.activate(place, false));
    }
    this.activate(Math.max(0, this.questions.findIndex((question) => !isAnswered(question.answer))), false);
  }

  offers({ name }) {
    if (this.item.offers) return this.item.offers[name] ?? [];
    const proposals = this.item.proposals?.[name] ?? [];
    const title = (place) => (proposals.length > 1 ? `Proposal ${place + 1}` : "Proposal");
    return proposals.map((proposal, place) => ({ title: title(place), ...proposal }));
  }

  entry(place) {
    return this.list.find((entry) => entry.place === place);
  }

  fetchAhead() {
    let place = this.item.place;
    for (let n = 0; n < AHEAD; n += 1) {
      const following = this.nextOpen(place);
      if (following === null || following <= place) return;
      this.fetch(following).catch(() => null);
      place = following;
    }
  }

  activate(place, scroll = true) {
    this.active = place;
    for (const [at, question] of this.questions.entries()) question.activate(at === place);
    const question = this.questions[place];
    if (scroll) question.node.scrollIntoView({ block: "nearest" });
    this.showCodebook();
  }

  showCodebook() {
    const { variable, answer } = this.questions[this.active];
    const { again } = this.item;
    const changed = again?.why === "definition" && again.variable === variable.name ? again.label : null;
    this.codebook.show(variable, answer.labels, changed);
  }

  /** The variable above or below becomes the one that keys answer. */
  move(step) {
    const place = this.active + step;
    if (place < 0 || place >= this.questions.length) return false;
    this.activate(place);
    announce(plainName(this.questions[place].variable.name));
    return true;
  }

  changed(whole) {
    const answers = Object.fromEntries(this.questions.map(({ variable, answer }) => [variable.name, { ...answer }]));
    this.keepDraft(answers);
    byId("unanswered").textContent = "";
    const question = this.questions[this.active];
    const open = this.questions.findIndex(({ answer }) => !isAnswered(answer));
    if (whole && isAnswered(question.answer) && open >= 0) this.activate(open);
    else this.showCodebook();
  }

  keepDraft(answers, unit = this.item.unit_id) {
    if (answers === null) this.drafts.delete(unit);
    else this.drafts.set(unit, answers);
    try {
      sessionStorage.setItem(this.draftsName, JSON.stringify(Object.fromEntries(this.drafts)));
    } catch {
      // a draft is kept as long as the page is
    }
  }

  press(key) {
    return this.item !== null && !this.waiting && this.questions[this.active].press(key);
  }

  get waiting() {
    return byId("coding").classList.contains("waiting");
  }

  choose(label) {
    this.questions[this.active]?.chooseLabel(label);
  }

  /** Enter: on to a variable that has no answer yet, or the text's answers are sent and the next text is shown. */
  confirm() {
    if (this.item === null || this.waiting) return undefined;
    const open = this.questions.findIndex(({ answer }) => !isAnswered(answer));
    if (open >= 0) return this.insist(open);
    const answers = Object.fromEntries(this.questions.map((question) => [question.variable.name, question.sent]));
    const same = JSON.stringify(comparable(answers)) === JSON.stringify(comparable(this.item.answers));
    this.keepDraft(null);
    if (this.item.state === "done" && same) return this.next();
    this.send(answers);
    return this.next();
  }

  insist(open) {
    this.activate(open);
    const sentence = `${plainName(this.questions[open].variable.name)} has no answer yet.`;
    byId("unanswered").textContent = sentence;
  }

  send(answers) {
    const { unit_id, place } = this.item;
    const body = { unit_id, version: this.study.version, seconds: this.clock.taken(), answers };
    const entry = this.entry(place);
    const before = entry?.state;
    this.remembered.set(unit_id, answers);
    this.history.push(place);
    const unsure = Object.values(answers).some((answer) => answer.unsure);
    if (entry) Object.assign(entry, { state: "done", answers, unsure });
    this.ahead.delete(place);
    this.unsent.set(place, this.item);
    this.outbox.add("/api/answer", body, place).then(
      (receipt) => this.acknowledged(receipt, place),
      (error) => {
        if (entry) entry.state = before;
        this.keepDraft(answers, unit_id); // it is chosen still, and can be changed and sent again
        this.onRefused(place, error);
        this.tellProgress(null);
      },
    );
    this.tellProgress(null);
  }

  async acknowledged({ progress, version }, place) {
    this.unsent.delete(place);
    this.tellProgress(progress);
    this.onSaved(place);
    if (version > this.study.version) {
      await this.onVersion();
      await this.refresh();
    }
  }

  /** What was chosen and not sent is cleared first; then the last answer is taken back, and the one before it. */
  async undo() {
    const unit = this.item?.unit_id;
    if (unit !== undefined && this.drafts.has(unit) && !this.waiting) {
      this.keepDraft(null);
      this.ask(this.item.answers);
      announce("What was chosen is cleared.");
      return;
    }
    const last = this.history.at(-1) ?? null;
    const unheard = this.outbox.trouble !== null;
    if (unheard && !this.unsent.has(last)) {
      announce("Earlier answers can be undone when the server is back.");
      return;
    }
    this.history.pop();
    const receipt = this.outbox.add("/api/undo", {}, last);
    receipt.then((answer) => this.undone(answer, last, unheard), (error) => this.onRefused(last, error));
    if (unheard) this.showUndone(last);
  }

  /** It is taken back: its text is shown as it stands now, unless it was shown already while nobody heard. */
  async undone({ unit_id: unit }, last, shown) {
    this.onSaved(null);
    if (unit === null) {
      announce("There is nothing to undo.");
      return;
    }
    if (shown) return;
    await this.refresh().catch(() => null);
    this.showUndone(this.placeOf(unit, last));
  }

  /** Where a text stands; of several differences about it the one that was answered last, or one that is open. */
  placeOf(unit, last) {
    const entries = this.list.filter((entry) => entry.unit_id === unit);
    const own = entries.find(({ place }) => place === last) ?? entries.find(({ state }) => state !== "done");
    return (own ?? entries[0])?.place ?? null;
  }

  showUndone(place) {
    announce("The last answer is undone.");
    if (place === null) return;
    if (this.unsent.has(place)) this.ahead.set(place, Promise.resolve(this.unsent.get(place)));
    else this.ahead.delete(place);
    this.onReturn();
    this.show(place, true);
  }

  go(step) {
    const place = (this.item?.place ?? this.list.length + 1) + step;
    if (this.entry(place)) this.show(place);
    else announce(step < 0 ? "This is the first text." : "This is the last text.");
  }

  /** Another tab of the same coder has saved something: what is done there is not asked here. */
  async elsewhere() {
    await this.refresh();
    const { item } = this;
    if (item === null || item.state === "done" || this.entry(item.place)?.state !== "done") return;
    announce("This text was coded in another tab.");
    if (this.drafts.has(item.unit_id)) byId("state").textContent = "Coded in another tab; an answer changes it";
    else this.next();
  }

  leavePointer(event) {
    if (event.target.closest(".option, .offer, .to-passage")) setTimeout(() => byId("passage").focus({ preventScroll: true }));
  }
}

/** Answers as they are compared: by variable, without what has no meaning. */
function comparable(answers) {
  const names = Object.keys(answers ?? {}).sort();
  return names.map((name) => {
    const { labels = [], status, unsure = false, note = "" } = answers[name];
    return [name, labels, status, Boolean(unsure), note];
  });
}

function draftsKept(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name)) ?? {};
  } catch {
    return {};
  }
}
