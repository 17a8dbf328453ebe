// Everything can be done by keys alone. Letters that mean something here are no label's key (labels.js).

import { SHIFT } from "./labels.js";

/** The key by its meaning, whatever the keyboard: digits without shift on a French one, letters on a Greek one. */
export function meaning(event) {
  const digit = /^Digit(\d)$/.exec(event.code);
  if (digit && !event.shiftKey) return digit[1];
  const other = /^Key([A-Z])$/.exec(event.code);
  const latin = /^[a-z]$/i.test(event.key);
  const letter = latin ? event.key : other && event.key.length === 1 && event.key > "\u007f" ? other[1] : null;
  if (letter !== null) return event.shiftKey ? SHIFT + letter.toUpperCase() : letter.toLowerCase();
  return event.key;
}

function isTyping(target) {
  return target.matches("textarea, select, input[type=search], input[type=text]");
}

/** Whether a key that is held down would decide something over and over: it counts once. */
function isHeld({ repeat, key }) {
  return repeat && (["Enter", "Backspace"].includes(key) || (key.length === 1 && key !== " "));
}

/**
 * @param actions {named: Map of key to what it does, press(key), confirm(), go(step), move(step), leave()}
 * @param preferences whose `keys` says whether single letters and digits mean anything
 */
export function listen(actions, preferences) {
  const typing = (event) => {
    const note = event.target.matches(".note textarea");
    if (event.key === "Escape" || (event.key === "Enter" && note && !event.shiftKey)) {
      event.preventDefault();
      actions.leave();
    }
  };
  const arrow = (event) => {
    const inside = event.target.matches("input[type=radio]"); // where arrows choose, as everywhere
    if (inside || !actions.coding()) return false;
    if (event.key === "ArrowLeft") actions.go(-1);
    else if (event.key === "ArrowRight") actions.go(1);
    else if (event.key === "ArrowUp") return actions.move(-1);
    else if (event.key === "ArrowDown") return actions.move(1);
    else return false;
    return true;
  };
  const command = (event) => {
    if (event.key === "Enter") {
      const own = event.target.closest("button, a, summary");
      return !own && actions.confirm();
    }
    if (event.key === "Backspace") return actions.undo();
    if (event.key === "Escape") return actions.leave();
    if (event.key.startsWith("Arrow")) return arrow(event);
    if (!preferences.keys) return false;
    const key = meaning(event);
    const named = actions.named.get(key);
    if (named === undefined) return actions.coding() && actions.press(key);
    named();
    return true;
  };
  document.addEventListener("keydown", (event) => {
    const modified = event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
    if (event.defaultPrevented || modified || document.querySelector("dialog[open]")) return;
    if (isTyping(event.target)) typing(event);
    else if (isHeld(event) || command(event) !== false) event.preventDefault();
  });
}
