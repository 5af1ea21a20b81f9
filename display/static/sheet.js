/** Headquarters' privacy notice inside a page: the same words, headings and hash as at /notice. */

import { el } from "./dom.js";
import { other, word } from "./words.js";

const HEADING = "# ";

/** The text as headings and paragraphs; the text content of what comes back is the text again. */
export function words(text) {
  const nodes = [];
  let paragraph = "";
  const close = () => {
    const whole = paragraph.replace(/\n$/, "");
    if (whole) nodes.push(el("p", {}, whole));
    if (whole !== paragraph) nodes.push("\n");
    paragraph = "";
  };
  for (const line of text.match(/[^\n]*\n|[^\n]+/g) ?? []) {
    const plain = line.replace(/\n$/, "");
    if (line.startsWith(HEADING)) {
      close();
      nodes.push(el("h3", {}, el("span.mark", { "aria-hidden": "true" }, HEADING), plain.slice(HEADING.length)));
      if (plain !== line) nodes.push("\n");
    } else if (!line.trim()) {
      close();
      nodes.push(line);
    } else {
      paragraph += line;
    }
  }
  close();
  return nodes;
}

/** The language in which this notice is shown to somebody who reads `language`. */
export function readable(notice, language) {
  return [language, other(language), ...Object.keys(notice.texts)].find((one) => notice.texts[one]) ?? language;
}

/** A folded notice; `open` unfolds it at once. */
export function sheet(notice, language, open) {
  const shown = readable(notice, language);
  const fact = (key, value, tag = "dd") => [el("dt", {}, word(language, key)), el(tag, {}, value)];
  return el("details.sheet-of", open ? { open: "" } : {},
    el("summary", {}, el("span", {}, word(language, "meNotice", { v: notice.version }))),
    el("article.words", { lang: shown }, ...words(notice.texts[shown] ?? "")),
    el("dl.facts", {}, ...fact("meController", notice.controller), ...fact("meContact", notice.contact),
      ...fact("meHash", notice.sha256[shown] ?? "")));
}
