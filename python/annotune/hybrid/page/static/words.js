// Numbers, times and answers in words.

export function counted(n, one, many) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/** 45 -> "less than a minute", 400 -> "7 min", 5900 -> "1 h 40 min": as exact as an estimate is. */
export function duration(seconds) {
  if (seconds < 60) return "less than a minute";
  const minutes = seconds < 3600 ? Math.round(seconds / 60) : Math.round(seconds / 300) * 5;
  const hours = Math.floor(minutes / 60);
  if (hours === 0) return `${minutes} min`;
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
}

/** How far somebody is, and the time that is left. */
export function progressWords({ done, of, seconds_left: left }) {
  const share = `${done.toLocaleString("en")} of ${of.toLocaleString("en")}`;
  const about = left < 60 ? duration(left) : `about ${duration(left)}`;
  return [share, left && done < of ? ` · ${about} left` : ""];
}

/** A name of the codebook as people read it: Public_health is "Public health". */
export function plainName(name) {
  return name.replaceAll("_", " ");
}

export function answerWords({ labels, status }) {
  if (status === "none") return "No label applies";
  if (status === "missing") return "Cannot be coded";
  return labels.map(plainName).join(", ");
}

/** How much of what speaks for a label is in its passage. */
export function passageWords({ label, share }, several) {
  const part = share > 0.995 ? "all" : `${Math.round(100 * share)} %`;
  const whose = several ? `${plainName(label)}: ` : "";
  return `${whose}${part} of what speaks for it is in the underlined passage`;
}

/** Why a text comes up again, in a sentence. */
export function againWords(again) {
  if (again.why === "gone") return `This text comes up again: “${plainName(again.label)}” is no label any more.`;
  if (again.why !== "definition") return "Please code this text once more, as if you had not seen it before.";
  const who = again.by ? ` by ${again.by}` : "";
  return `This text comes up again: the definition of “${plainName(again.label)}” was sharpened${who}.`;
}
