// Texts on which coders differ, for a third person: the same view as for coding, with their codings beside each other.

export class Differences {
  constructor(source) {
    this.source = source;
    this.offline = source.offline;
    this.items = [];
  }

  async list() {
    const { items, done, of } = await this.source.differences();
    this.items = items;
    return { items: items.map((item, at) => this.listed(item, at + 1)), done, of };
  }

  listed(item, place) {
    const answers = item.answer ? { [item.variable]: item.answer } : {};
    const state = item.answer ? "done" : "open";
    const unsure = item.answer?.unsure ?? false;
    const begins = item.begins ?? Array.from(item.text).slice(0, 90).join("");
    return { place, unit_id: item.unit_id, state, unsure, begins, answers };
  }

  async item(place) {
    const item = this.items[place - 1];
    if (item === undefined) return { finished: true };
    const offers = item.codings.map(({ coder, ...coding }) => ({ title: coder, ...coding }));
    const { answers, state } = this.listed(item, place);
    const own = { answers, state, variables: [item.variable], offers: { [item.variable]: offers }, again: null };
    return { ...item, ...own, place, of: this.items.length };
  }
}
