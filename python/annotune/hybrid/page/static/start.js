// The page as a whole: it finds out where it is, connects its parts, and shows one view at a time.

import { Clock } from "./clock.js";
import { CodebookPanel } from "./codebook.js";
import { Coding } from "./coding.js";
import { Differences } from "./differences.js";
import { announce, byId, element } from "./dom.js";
import { listen } from "./keyboard.js";
import { Outbox } from "./outbox.js";
import { Overview } from "./overview.js";
import { Preferences } from "./preferences.js";
import { Refusal, Server } from "./server.js";
import { StandAlone } from "./standalone.js";
import { counted, duration, plainName, progressWords } from "./words.js";

const VIEWS = ["coding", "overview", "finished"];

class Page {
  constructor() {
    this.preferences = new Preferences();
    this.preferences.connect();
    const data = byId("data");
    this.source = data ? new StandAlone(JSON.parse(data.textContent)) : new Server(location.pathname.split("/").at(-1));
    this.adjudicates = document.body.dataset.role === "adjudicator";
    this.clock = new Clock();
    this.began = Date.now();
    this.coded = 0;
    this.fetching = null; // why the next text does not come
    this.box = { unsent: 0, trouble: null, unkept: 0 };
  }

  async begin() {
    try {
      this.study = await this.source.study();
    } catch (error) {
      this.explain(error);
      return;
    }
    this.name = `${this.study.id}:${this.study.coder}`;
    const send = (path, body) => this.source.send(path, body);
    this.outbox = new Outbox(this.name, send, (box) => this.tellBox(box));
    this.overview = new Overview((place) => this.goTo(place));
    this.connect();
    this.nameStudy();
    await this.startCoding();
  }

  async startCoding() {
    const desk = this.adjudicates ? new Differences(this.source) : this.source;
    this.coding = new Coding(desk, this.outbox, {
      name: this.name,
      clock: this.clock,
      codebook: this.codebook,
      onShown: () => this.view("coding"),
      onReturn: () => this.view("coding"),
      onProgress: (progress) => this.tellProgress(progress),
      onFinished: (list) => this.finish(list),
      onTrouble: (error) => this.tellFetching(error),
      onRefused: (place, error) => this.tellRefused(place, error),
      onSaved: (place) => this.tellSaved(place),
      onVersion: () => this.newVersion(),
    });
    this.coding.study = this.study;
    this.otherTabs();
    await this.coding.begin().catch((error) => this.explain(error));
  }

  nameStudy() {
    byId("study-name").textContent = this.study.name || "Coding";
    byId("coder").textContent = this.study.coder;
    document.documentElement.classList.toggle("stand-alone", this.source.offline);
    byId("export").hidden = !this.source.offline;
  }

  connect() {
    const sharpen = this.source.offline ? null : (variable, label) => this.sharpen(variable, label);
    const choose = (label) => this.coding.choose(label);
    this.codebook = new CodebookPanel({ choose, leave: () => this.leave(), sharpen }, this.study.language);
    const click = (id, act) => byId(id).addEventListener("click", act);
    click("confirm", () => this.confirm());
    click("undo", () => this.coding.undo());
    click("previous", () => this.coding.go(-1));
    click("following", () => this.coding.go(1));
    click("open-overview", () => this.toggleOverview());
    click("overview-close", () => this.leave());
    click("pause", () => this.pause());
    click("open-keys", () => byId("keys").showModal());
    click("open-display", () => byId("display").showModal());
    click("export", () => this.export());
    click("finished-export", () => this.export());
    click("finished-unsure", () => this.showOverview("unsure"));
    click("finished-all", () => this.showOverview("all"));
    byId("paused").addEventListener("close", () => this.resume());
    byId("sharpen-form").addEventListener("submit", (event) => this.saveDefinition(event));
    for (const close of document.querySelectorAll("dialog [data-close]")) {
      close.addEventListener("click", () => close.closest("dialog").close());
    }
    window.addEventListener("beforeunload", (event) => {
      if (this.box.unkept > 0) event.preventDefault();
    });
    listen(this.actions(), this.preferences);
  }

  actions() {
    const named = new Map([
      ["u", () => this.coding.undo()],
      ["o", () => this.toggleOverview()],
      ["p", () => this.pause()],
      ["?", () => byId("keys").showModal()],
      ["/", () => (this.shown === "overview" ? byId("overview-search").focus() : this.codebook.open())],
      ["+", () => this.preferences.resize(1)],
      ["-", () => this.preferences.resize(-1)],
    ]);
    return {
      named,
      coding: () => this.shown === "coding",
      press: (key) => this.coding.press(key),
      confirm: () => this.confirm(),
      undo: () => this.coding.undo(),
      go: (step) => this.coding.go(step),
      move: (step) => this.coding.move(step),
      leave: () => this.leave(),
    };
  }

  confirm() {
    return this.shown === "coding" ? this.coding.confirm() : false;
  }

  view(name) {
    this.shown = name;
    for (const view of VIEWS) byId(view).hidden = view !== name;
    document.body.dataset.view = name;
    byId("open-overview").setAttribute("aria-expanded", String(name === "overview"));
  }

  /** Back to the text, from wherever the focus is. */
  leave() {
    if (byId("codebook").classList.contains("open")) {
      this.codebook.close();
      return;
    }
    if (this.coding.item === null) {
      this.view("finished");
      byId("finished-title").focus();
      return;
    }
    this.view("coding");
    byId("passage").focus({ preventScroll: true });
  }

  toggleOverview() {
    if (this.shown === "overview") this.leave();
    else this.showOverview();
  }

  showOverview(filter) {
    this.view("overview");
    this.overview.show(this.coding.list, this.coding.item?.place ?? null, filter);
    byId("overview-title").focus();
  }

  goTo(place) {
    this.view("coding");
    this.coding.show(place);
  }

  finish(list) {
    this.view("finished");
    const unsure = list.filter((entry) => entry.unsure).length;
    const differences = ["difference is settled", "differences are settled"];
    const done = counted(list.length, ...(this.adjudicates ? differences : ["text is coded", "texts are coded"]));
    const nothing = "There is nothing to do for you now.";
    byId("finished-words").textContent = list.length > 0 ? `${done}. Thank you.` : nothing;
    byId("finished-unsure").hidden = unsure === 0;
    byId("finished-unsure").textContent = `Look at the ${counted(unsure, "text", "texts")} you were unsure of`;
    byId("finished-export").hidden = !this.source.offline;
    byId("finished-title").focus();
  }

  tellProgress(progress) {
    const { done, of } = progress;
    byId("progress").max = Math.max(of, 1);
    byId("progress").value = done;
    const [share, left] = progressWords(progress);
    byId("progress-share").textContent = share;
    byId("progress-left").textContent = left;
    document.title = `${done} of ${of} · ${this.study.name || "Coding"}`;
  }

  tellSaved(place) {
    if (place !== null) this.coded += 1;
    this.channel?.postMessage("saved");
    const { done, of } = { done: byId("progress").value, of: byId("progress").max };
    announce(`Saved. ${done} of ${of}.`);
  }

  tellBox(box) {
    this.box = box;
    const where = this.source.offline ? "Kept here" : "Saved";
    byId("saved").dataset.state = box.trouble ? "trouble" : box.unsent > 0 ? "sending" : "saved";
    byId("saved-words").textContent = box.trouble ? `${box.unsent} unsent` : box.unsent > 0 ? "Saving" : where;
    this.tellTrouble();
  }

  tellFetching(error) {
    this.fetching = error;
    this.tellTrouble();
    if (error === null && this.box.trouble) this.outbox.flush();
  }

  /** The banner: what is wrong, and that nothing is lost by it. */
  tellTrouble() {
    const { unsent, trouble, unkept } = this.box;
    const error = trouble ?? this.fetching;
    const sentences = [];
    if (error) sentences.push(error instanceof Refusal ? error.message : "Not connected to the server.");
    if (trouble && unsent > 0) {
      const what = counted(unsent, "answer is kept", "answers are kept");
      sentences.push(`${what} in this browser and sent as soon as possible.`);
    }
    if (unkept > 0) sentences.push("This browser keeps nothing: leave this page open until all is sent.");
    const words = sentences.join(" ");
    byId("trouble").hidden = words === "";
    if (byId("trouble-words").textContent !== words) byId("trouble-words").textContent = words;
  }

  /** An answer that the server will never take: it is said, with the way back to its text. */
  tellRefused(place, error) {
    const button = element("button", { type: "button", class: "quiet", text: "Go to the text" });
    button.addEventListener("click", () => {
      byId("refused").hidden = true;
      this.goTo(place);
    });
    const what = place === null ? "This" : `Text ${place}`;
    const words = element("span", { text: `${what} was not saved. ${error.message}` });
    byId("refused").replaceChildren(...[words, place === null ? null : button].filter(Boolean));
    byId("refused").hidden = false;
  }

  /** The study could not be read at all: there is nothing to show but why. */
  explain(error) {
    this.view("finished");
    byId("finished-title").textContent = "The texts cannot be shown";
    const silent = "The server does not answer. Start it again, then reload this page.";
    byId("finished-words").textContent = error instanceof Refusal ? error.message : silent;
    for (const id of ["finished-unsure", "finished-all", "finished-export"]) byId(id).hidden = true;
  }

  pause() {
    if (!this.coding) return;
    this.clock.pause(true);
    this.source.send("/api/pause", { paused: true }).catch(() => null);
    const worked = duration((Date.now() - this.began) / 1000);
    const coded = counted(this.coded, "text", "texts");
    byId("paused-words").textContent = `${coded} coded since this page was opened, ${worked} ago.`;
    byId("paused").showModal();
  }

  resume() {
    this.clock.pause(false);
    this.source.send("/api/pause", { paused: false }).catch(() => null);
    this.leave();
  }

  sharpen(variable, label) {
    const form = byId("sharpen-form");
    this.sharpened = { variable: variable.name, label: label.name };
    byId("sharpen-label").textContent = plainName(label.name);
    form.elements.definition.value = label.definition ?? "";
    form.elements.reason.value = "";
    byId("sharpen-error").hidden = true;
    byId("sharpen").showModal();
    form.elements.definition.focus();
  }

  async saveDefinition(event) {
    event.preventDefault();
    const form = byId("sharpen-form");
    const values = { definition: form.elements.definition.value.trim(), reason: form.elements.reason.value.trim() };
    try {
      const { version, again } = await this.source.send("/api/definition", { ...this.sharpened, ...values });
      byId("sharpen").close();
      await this.newVersion();
      await this.coding.refresh();
      this.leave(); // to where the sentence is seen; the button that had the focus is gone
      const texts = again ? counted(again, "text comes", "texts come") : "No text comes";
      this.note(`Saved as version ${version}. ${texts} up again.`);
    } catch (error) {
      const silent = "Not connected to the server. Try again.";
      byId("sharpen-error").textContent = error instanceof Refusal ? error.message : silent;
      byId("sharpen-error").hidden = false;
    }
  }

  /** The codebook has a newer version: the panel shows it at once, the questions from the next text on. */
  async newVersion() {
    this.study = await this.source.study();
    this.coding.study = this.study;
    const question = this.coding.questions[this.coding.active];
    const variable = this.study.variables.find(({ name }) => name === question?.variable.name);
    if (!variable) return;
    question.variable = variable;
    this.coding.showCodebook();
  }

  note(sentence) {
    byId("noted").textContent = sentence;
    byId("noted").hidden = false;
    clearTimeout(this.noteTimer);
    this.noteTimer = setTimeout(() => (byId("noted").hidden = true), 8000);
  }

  /** The same coder in several tabs: each hears when another has saved. */
  otherTabs() {
    if (this.source.offline || !("BroadcastChannel" in window)) return;
    this.channel = new BroadcastChannel(`annotune:${location.pathname}`);
    this.channel.onmessage = () => this.coding.elsewhere().catch(() => null);
  }

  export() {
    const text = JSON.stringify(this.source.exported(), null, 1);
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    const name = `answers_${this.study.coder}.json`;
    const link = element("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    this.note(`${name} is among your downloads: hand it in. You can go on, and export again.`);
  }
}

history.scrollRestoration = "manual"; // each text begins at its beginning
new Page().begin();
