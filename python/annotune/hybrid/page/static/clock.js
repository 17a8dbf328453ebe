// How long somebody worked on a text: time counts while the page is in view, not paused, and somebody is there.

const IDLE = 600_000; // milliseconds without a key or a movement, after which nobody is taken to be there

export class Clock {
  constructor() {
    this.spent = new Map(); // milliseconds by text: who comes back to one goes on counting
    this.unit = null;
    this.since = null;
    this.paused = false;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.stop() : this.go()));
    for (const sign of ["keydown", "pointerdown", "pointermove", "wheel"]) {
      document.addEventListener(sign, () => this.mark(), { passive: true, capture: true });
    }
  }

  start(unit) {
    this.stop();
    this.unit = unit;
    this.go();
  }

  pause(paused) {
    this.stop();
    this.paused = paused;
    this.go();
  }

  go() {
    if (!this.paused && !document.hidden && this.unit !== null) this.since = performance.now();
  }

  stop() {
    this.mark();
    this.since = null;
  }

  /** Somebody is there: what went by since the last sign counts, up to where nobody was. */
  mark() {
    if (this.since === null) return;
    const now = performance.now();
    this.spent.set(this.unit, (this.spent.get(this.unit) ?? 0) + Math.min(now - this.since, IDLE));
    this.since = now;
  }

  /** Seconds on the text so far, with which its answer is sent; the count begins anew. */
  taken() {
    this.mark();
    const seconds = Math.round((this.spent.get(this.unit) ?? 0) / 100) / 10;
    this.spent.delete(this.unit);
    return seconds;
  }
}
