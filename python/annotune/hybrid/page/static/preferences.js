// How the page looks and listens to one person: kept in the browser, never sent.

import { byId } from "./dom.js";

const NAME = "annotune:display";
const DEFAULTS = { theme: "system", size: 2, keys: true };
const SCALES = [0.9, 1, 1.15, 1.35, 1.6]; // of the print, as in page.css
const WIDE = { width: 50, height: 32 }; // rem at least, for the codebook beside the text and the answers below it

export class Preferences {
  constructor() {
    this.values = { ...DEFAULTS, ...kept() };
    this.apply();
    window.addEventListener("resize", () => this.arrange());
  }

  get keys() {
    return this.values.keys;
  }

  set(name, value) {
    this.values[name] = value;
    try {
      localStorage.setItem(NAME, JSON.stringify(this.values));
    } catch {
      // it holds until the page is closed
    }
    this.apply();
  }

  resize(step) {
    this.set("size", Math.max(1, Math.min(SCALES.length, this.values.size + step)));
  }

  apply() {
    const root = document.documentElement;
    root.dataset.theme = this.values.theme;
    root.dataset.size = this.values.size;
    root.dataset.keys = this.values.keys ? "on" : "off";
    this.arrange();
  }

  /** Large print needs the room that it takes: what is wide in small print may be narrow in large. */
  arrange() {
    const rem = 16 * SCALES[this.values.size - 1];
    const fits = window.innerWidth >= WIDE.width * rem && window.innerHeight >= WIDE.height * rem;
    document.documentElement.dataset.layout = fits ? "wide" : "narrow";
  }

  /** The dialog in which they are changed. */
  connect() {
    const form = byId("display-form");
    form.elements.theme.value = this.values.theme;
    form.elements.keys.checked = this.values.keys;
    form.addEventListener("change", () => {
      this.set("theme", form.elements.theme.value);
      this.set("keys", form.elements.keys.checked);
    });
    byId("smaller").addEventListener("click", () => this.resize(-1));
    byId("larger").addEventListener("click", () => this.resize(1));
  }
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(NAME)) ?? {};
  } catch {
    return {};
  }
}
