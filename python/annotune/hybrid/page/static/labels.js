// Labels as the page shows them: their keys, their order under parents, and search. Pure functions.

// Letters that mean something else everywhere (see keyboard.js) are no label's key.
const SINGLE = [..."123456789cdefghijklmrstvwyz"];
const SHIFTED = [..."abcdefghijklmnopqrstuvwxyz"];
export const SHIFT = "⇧";

/** A key for each of n labels: digits, then letters, then letters with shift; null for those that are searched for. */
export function keysOf(n) {
  const keys = [...SINGLE, ...SHIFTED.map((letter) => SHIFT + letter.toUpperCase())];
  return Array.from({ length: n }, (_, place) => keys[place] ?? null);
}

/** The labels in groups: each parent with its children, and those without either together in a group of no parent. */
export function grouped(labels) {
  const parents = new Set(labels.map((label) => label.parent).filter((parent) => parent !== null));
  const byCode = new Map(labels.map((label) => [label.code, label]));
  const groups = new Map();
  const groupOf = (top) => {
    const key = top === null ? null : top.code;
    if (!groups.has(key)) groups.set(key, { parent: top, labels: [] });
    return groups.get(key);
  };
  for (const label of labels) {
    const top = topOf(label, byCode);
    if (top !== label) groupOf(top).labels.push(label);
    else if (parents.has(label.code)) groupOf(label);
    else groupOf(null).labels.push(label);
  }
  return [...groups.values()];
}

/** The uppermost parent of a label; itself where it has none. A circle of parents ends where it began. */
function topOf(label, byCode) {
  const seen = new Set();
  let top = label;
  while (top.parent !== null && top.parent !== undefined && byCode.has(top.parent) && !seen.has(top.code)) {
    seen.add(top.code);
    top = byCode.get(top.parent);
  }
  return top;
}

/** The labels in the order in which they are shown. */
export function inOrder(labels) {
  return grouped(labels).flatMap((group) => (group.parent === null ? group.labels : [group.parent, ...group.labels]));
}

function folded(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("_", " ");
}

/** The labels with every word of a query in name, code, definition or examples: names that fit come first. */
export function matching(labels, query) {
  const words = folded(query).split(/\s+/).filter(Boolean);
  const rank = (label) => {
    const name = folded(label.name);
    const all = [name, String(label.code), folded(label.definition ?? ""), ...(label.examples ?? []).map(folded)];
    if (!words.every((word) => all.some((part) => part.includes(word)))) return null;
    const first = words[0] ?? "";
    return name.startsWith(first) || String(label.code) === first ? 0 : name.includes(first) ? 1 : 2;
  };
  const ranked = labels.map((label) => [rank(label), label]).filter(([place]) => place !== null);
  return ranked.sort(([one], [other]) => one - other).map(([, label]) => label);
}
