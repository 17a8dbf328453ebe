// The text as it is read: what stands before and after it, the marked passage, and what else is known of it.

import { byId, element, icon } from "./dom.js";
import { againWords, plainName } from "./words.js";

/** The text, with the characters from mark[0] to mark[1] marked; they are counted as Python does, by code points. */
function marked(text, mark) {
  if (!mark) return [text];
  const letters = Array.from(text);
  const part = (from, to) => letters.slice(from, to).join("");
  return [part(0, mark[0]), element("mark", { text: part(mark[0], mark[1]) }), part(mark[1])];
}

function neighbours(sentences, what) {
  if (!sentences?.length) return null;
  const lines = sentences.map(({ text }) => element("span", { dir: "auto", text: `${text} ` }));
  return element("p", { class: "neighbour" }, element("span", { class: "aside", text: `${what}: ` }), ...lines);
}

/** Show an item's text, and bring its marked passage into view. */
export function showPassage(item, language) {
  const passage = byId("passage");
  const text = element("p", { class: "text", dir: item.dir, lang: language }, ...marked(item.text, item.mark));
  const before = neighbours(item.before, "Before");
  const after = neighbours(item.after, "After");
  passage.replaceChildren(...[before, text, after].filter((part) => part !== null));
  passage.scrollTop = 0;
  showFacts(item.shown ?? {});
  showAgain(item.again);
  centre(passage, passage.querySelector("mark"));
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
