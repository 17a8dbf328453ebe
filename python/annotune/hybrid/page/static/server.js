// Where texts come from and answers go to: the server that handed out the page.

const PATIENCE = 15_000; // milliseconds

/** The server answered, and did not do what it was asked. */
export class Refusal extends Error {
  constructor(status, { error = "The server did not take this.", advice = "" } = {}) {
    super(advice ? `${error} ${advice}` : error);
    this.status = status;
  }

  /** Whether the same would be refused however often it is sent. */
  get final() {
    return [400, 404, 405, 409, 413, 422].includes(this.status);
  }
}

export class Server {
  constructor(token) {
    this.token = token;
    this.offline = false;
  }

  study() {
    return this.ask("/api/study");
  }

  list() {
    return this.ask("/api/list");
  }

  item(place) {
    return this.ask(place === null ? "/api/item" : `/api/item?place=${place}`);
  }

  differences() {
    return this.ask("/api/differences");
  }

  send(path, body) {
    return this.ask(path, { method: "POST", body: JSON.stringify(body) });
  }

  async ask(path, more = {}) {
    const headers = { "X-Annotune-Token": this.token, "Content-Type": "application/json" };
    const signal = AbortSignal.timeout(PATIENCE);
    const response = await fetch(path, { ...more, headers, signal, cache: "no-store", referrerPolicy: "no-referrer" });
    if (!response.ok) throw new Refusal(response.status, await response.json().catch(() => ({})));
    return response.json(); // one that breaks off is no answer
  }
}
