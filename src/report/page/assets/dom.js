// Elements and text. Data becomes text nodes and attributes, never markup.

/** An element with attributes and children; a string child becomes text. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const find = (id) => document.getElementById(id);

// Characters without a glyph: controls except tab and line feed, direction marks and overrides, line separators, and
// unpaired surrogates.
const INVISIBLE = new RegExp(
  "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200b\\u200e\\u200f\\u2028\\u2029\\u202a-\\u202e\\u2060" +
  "\\u2066-\\u2069\\ufeff]|[\\ud800-\\udbff](?![\\udc00-\\udfff])|(?<![\\ud800-\\udbff])[\\udc00-\\udfff]", "g");

/** Nodes that show a text, with invisible characters as their code. */
function visible(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(INVISIBLE)) {
    if (match.index > end) nodes.push(text.slice(end, match.index));
    const code = match[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
    nodes.push(make("span", { class: "control", title: "an invisible character" }, `U+${code}`));
    end = match.index + match[0].length;
  }
  if (end < text.length) nodes.push(text.slice(end));
  return nodes;
}

/** `text` on one line, at most `max` characters. */
function clipped(text, max) {
  const short = text.slice(0, max).replace(INVISIBLE, "\u00b7").replace(/\s+/g, " ");
  return text.length > max ? `${short}…` : short;
}

// Longer texts are folded: their layout is slow.
const FOLDED_FROM = 6000;
const SHOWN_WHEN_FOLDED = 2000;

/** A block of text. A long one shows its end (if `end`) or its beginning, and a button for all of it. */
function block(text, end = false, label = null) {
  const box = make("div", { class: "text", dir: "auto", tabindex: "0", role: "group", "aria-label": label });
  if (text === "") {
    box.append(make("span", { class: "gap" }, "(empty)"));
    return box;
  }
  if (text.length <= FOLDED_FROM) {
    box.append(...visible(text));
    return box;
  }
  const part = end ? text.slice(-SHOWN_WHEN_FOLDED) : text.slice(0, SHOWN_WHEN_FOLDED);
  box.append(...(end ? ["…"] : []), ...visible(part), ...(end ? [] : ["…"]));
  const button = make("button", { type: "button" }, `Show all ${count(text.length)} characters`);
  button.addEventListener("click", () => {
    box.replaceChildren(...visible(text));
    button.remove();
    box.focus();
  });
  const both = end ? [button, box] : [box, button];
  return make("div", { class: "folded" }, ...both);
}

// Numbers

const count = (number) => number.toLocaleString("en");

/** `3 tokens`, `1 token`. */
const several = (number, name) => `${count(number)} ${name}${number === 1 ? "" : "s"}`;

/** Nats, with a minus sign instead of a hyphen. */
const nats = (value) => (value === null ? "–" : value.toFixed(2).replace("-", "−"));

/** A probability in percent. */
function percent(probability) {
  if (probability === null) return "–";
  const value = 100 * probability;
  if (value === 0) return "0 %";
  if (value < 0.01) {
    const [digits, exponent] = value.toExponential(1).split("e-");
    return `${digits} × 10⁻${[...exponent].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")} %`;
  }
  return `${value.toPrecision(value >= 99.95 ? 4 : 3)} %`;
}

/** A number in at most six digits. */
function number(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return count(value).replace("-", "−");
  return (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-3 ? value.toExponential(3) : String(Number(value.toPrecision(6)))).replace(/-/g, "−");
}

