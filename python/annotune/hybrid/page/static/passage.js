// The text as it is read: what stands before and after it, marked passages, and what else is known of it.

import { byId, element, icon } from "./dom.js";
import { againWords, plainName } from "./words.js";

/**
 * The text with the passages of its column `mark`, and those that decided for a proposal, marked. Each is a list of its
 * first character and the one after its last, counted as Python does, by code points; they may overlap.
 */
function marked(text, mark, decided) {
  if (!mark && decided.length === 0) return [text];
  const letters = Array.from(text);
  const own = mark ? [mark] : [];
  const cuts = [...new Set([0, letters.length, ...own.flat(), ...decided.flat()])].sort((one, other) => one - other);
  return cuts.slice(1).map((to, place) => {
    const from = cuts[place];
    const within = (span) => span[0] <= from && to <= span[1];
    const words = letters.slice(from, to).join("");
    const kinds = [own.some(within) && "own", decided.some(within) && "decided"].filter(Boolean);
    return kinds.length === 0 ? words : element("mark", { class: kinds.join(" "), text: words, "data-from": from });
  });
}

/** Where the passages are that decided for what is proposed beside an item. */
function decidedIn(item) {
  const proposals = Object.values(item.proposals ?? {}).flat();
  return proposals.flatMap(({ passages = [] }) => passages.map(({ span }) => span));
}

/** Bring the passage that begins at this character into view. */
export function goTo(from) {
  byId("passage").querySelector(`mark[data-from="${from}"]`)?.scrollIntoView({ block: "center" });
}

function neighbours(sentences, what) {
  if (!sentences?.length) return null;
  const lines = sentences.map(({ text }) => element("span", { dir: "auto", text: `${text} ` }));
  return element("p", { class: "neighbour" }, element("span", { class: "aside", text: `${what}: ` }), ...lines);
}

/** Show an item's text, and bring its marked passage into view; what decided for a proposal moves nothing. */
export function showPassage(item, language) {
  const passage = byId("passage");
  const about = { class: "text", id: "text", dir: item.dir, lang: language };
  const text = element("p", about, ...marked(item.text, item.mark, decidedIn(item)));
  const before = neighbours(item.before, "Before");
  const after = neighbours(item.after, "After");
  passage.replaceChildren(...[before, text, after].filter((part) => part !== null));
  passage.scrollTop = 0;
  showFacts(item.shown ?? {});
  showAgain(item.again);
  centre(passage, passage.querySelector("mark.own"));
}

/** Scroll the text until a passage that is out of view is in its middle; the page itself stays. */
function centre(box, part) {
  if (part === null) return;
  const [inner, outer] = [part.getBoundingClientRect(), box.getBoundingClientRect()];
  const above = Math.max((box.clientHeight - inner.height) / 2, 0);
  if (inner.bottom > outer.bottom) box.scrollTop += inner.top - outer.top - above;
}

function showFacts(shown) {
  const facts = Object.entries(shown).filter(([, value]) => value !== null && value !== "");
  const pairs = facts.map(([name, value]) =>
    element("div", {}, element("dt", { text: plainName(name) }), element("dd", { text: String(value), dir: "auto" })),
  );
  byId("facts").replaceChildren(...pairs);
  byId("facts").hidden = pairs.length === 0;
}

/** Why a text comes up again: with the definition as it was, where it was sharpened. */
function showAgain(again) {
  const box = byId("again");
  box.hidden = !again;
  if (!again) return;
  const words = element("p", {}, icon("again"), element("span", { text: againWords(again) }));
  const more = [
    ["Reason", again.reason],
    ["It was", again.was],
  ].filter(([, value]) => value);
  const facts = more.map(([name, value]) => {
    const words = element("span", { text: value, dir: "auto" });
    return element("p", { class: "small" }, element("b", { text: `${name}: ` }), words);
  });
  box.replaceChildren(words, ...facts);
}
