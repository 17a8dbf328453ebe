// What was decided and not yet acknowledged. Each entry lies in localStorage under its own key until the server has it,
// so that a closed tab, a server that is gone or a full disk lose nothing; sent twice, it counts once.

import { Refusal } from "./server.js";

const FIRST_WAIT = 1000; // milliseconds until it is tried again; doubled each time
const LONGEST_WAIT = 30_000;

export class Outbox {
  /**
   * @param name of the study and the coder: whose entries these are
   * @param send a function of a path and a body that gives a promise of the server's answer
   * @param onChange called with {unsent, trouble} whenever one of them changes
   */
  constructor(name, send, onChange) {
    this.prefix = `annotune:unsent:${name}:`;
    this.send = send;
    this.onChange = onChange;
    this.unkept = new Map(); // entries that the browser would not keep
    this.waiting = new Map(); // who waits for the answer to an entry
    this.trouble = null;
    this.wait = FIRST_WAIT;
    this.sending = null;
    this.last = 0;
    window.addEventListener("online", () => this.flush());
    window.addEventListener("storage", () => this.tell());
  }

  /** Every entry that is not acknowledged, oldest first. */
  entries() {
    const keys = [...stored(this.prefix), ...this.unkept.keys()].sort();
    return keys.map((name) => ({ name, ...(this.unkept.get(name) ?? JSON.parse(localStorage.getItem(name))) }));
  }

  /** Keep a decision, and send it when its turn comes; the promise is of the server's answer, however late. */
  add(path, body, place) {
    const key = newKey();
    this.last = Math.max(Date.now(), this.last + 1); // two of one millisecond keep their order
    const name = `${this.prefix}${String(this.last).padStart(15, "0")}:${key}`;
    const entry = { path, body: { key, ...body }, place };
    try {
      localStorage.setItem(name, JSON.stringify(entry));
    } catch {
      this.unkept.set(name, entry);
    }
    const answer = new Promise((resolve, reject) => this.waiting.set(name, { resolve, reject }));
    this.tell();
    this.flush();
    return answer;
  }

  /** Send what there is, one after the other; a second call while it goes on is the first one's. */
  flush() {
    this.sending ??= this.sendAll().finally(() => {
      this.sending = null;
      if (!this.trouble && this.entries().length > 0) this.flush(); // one that came at the last moment
      this.tell();
    });
    return this.sending;
  }

  async sendAll() {
    clearTimeout(this.timer);
    for (let entry = this.entries()[0]; entry; entry = this.entries()[0]) {
      try {
        const answer = await this.send(entry.path, entry.body);
        this.trouble = null;
        this.wait = FIRST_WAIT;
        this.settle(entry.name, "resolve", answer);
      } catch (error) {
        if (!(error instanceof Refusal && error.final)) return this.later(error);
        this.settle(entry.name, "reject", error);
      }
      this.tell();
    }
  }

  settle(name, how, value) {
    try {
      localStorage.removeItem(name);
    } catch {
      // a browser that keeps nothing has nothing to remove
    }
    this.unkept.delete(name);
    this.waiting.get(name)?.[how](value);
    this.waiting.delete(name);
  }

  later(error) {
    this.trouble = error;
    this.timer = setTimeout(() => this.flush(), this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT);
  }

  tell() {
    this.onChange({ unsent: this.entries().length, trouble: this.trouble, unkept: this.unkept.size });
  }
}

function stored(prefix) {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(prefix));
  } catch {
    return [];
  }
}

/** A random UUID, also where crypto.randomUUID is not offered: pages without TLS on a local network. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
