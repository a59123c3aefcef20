// Heat map of log-probabilities over tokens.

// Thresholds of −log P in nats; each makes a token one step darker.
const STEPS = [0.1, 0.5, 1, 2, 4, 6, 9];

const step = (logProb) => (logProb === null ? 0 : STEPS.filter((from) => -logProb >= from).length);

/** A token that is not UTF-8: printable ASCII as text, other bytes as hexadecimal. */
function bytes(values) {
  return values.map((value) => (value >= 0x20 && value < 0x7f
    ? String.fromCharCode(value)
    : make("span", { class: "byte" }, `\\x${value.toString(16).padStart(2, "0")}`)));
}

/** Nodes that show a token; a line feed is also a line break. */
function shown(token) {
  if (typeof token !== "string") return bytes(token);
  return token.split(/(\n|\t)/).flatMap((part) => {
    if (part === "\n") return [make("span", { class: "line" }, "↵"), make("br")];
    if (part === "\t") return [make("span", { class: "line" }, "→\t")];
    return visible(part);
  });
}

/** A token for tooltips and screen readers. */
function spoken(token) {
  if (typeof token !== "string") return token.map((value) => `\\x${value.toString(16).padStart(2, "0")}`).join("");
  return `“${clipped(token.replace(/\n/g, "↵"), 60)}”`;
}

/**
 * Tokens coloured by their log-probabilities; bars with positions if the page does not know the tokens' text. Arrow keys
 * move between tokens and show a token's numbers below.
 */
function tokenMap(logProbs, tokens, label) {
  const known = tokens !== null;
  const cells = logProbs.map((logProb, index) => {
    const name = known ? spoken(data.tokens[tokens[index]]) : `position ${index + 1}`;
    const words = `${name}: ${nats(logProb)} nats, probability ${logProb === null ? "–" : percent(Math.exp(logProb))}, token ${index + 1} of ${logProbs.length}`;
    const cell = make("span", {
      class: `token h${step(logProb)}`, role: "option", "aria-selected": "false", title: words, "aria-label": words, "data-nats": nats(logProb), "data-index": index,
    });
    if (known) {
      cell.append(...shown(data.tokens[tokens[index]]));
      cell.dir = "auto";
    } else {
      const bar = make("span", { class: "bar" });
      bar.style.height = `${Math.min(12, 1 - (logProb ?? 0)) * 0.4}rem`;
      cell.append(bar, String(index + 1));
    }
    return cell;
  });
  tokenMap.made = (tokenMap.made ?? 0) + 1;
  const box = make("div", { class: known ? "tokens" : "tokens bars", role: "listbox", tabindex: "0", "aria-orientation": "horizontal", "aria-label": label, dir: known ? "auto" : "ltr" }, ...cells);
  const readout = make("p", { class: "readout" });
  let active = -1;
  const move = (index) => {
    if (cells.length === 0) return;
    cells[active]?.classList.remove("active");
    cells[active]?.setAttribute("aria-selected", "false");
    active = Math.min(Math.max(index, 0), cells.length - 1);
    const cell = cells[active];
    cell.id ||= `token-${tokenMap.made}-${active}`;
    cell.classList.add("active");
    cell.setAttribute("aria-selected", "true");
    box.setAttribute("aria-activedescendant", cell.id);
    cell.scrollIntoView({ block: "nearest" });
    readout.replaceChildren(...visible(cell.title));
  };
  box.addEventListener("focus", () => { if (active < 0 && box.matches(":focus-visible")) move(0); });
  box.addEventListener("click", (event) => {
    const cell = event.target.closest(".token");
    if (cell) move(Number(cell.dataset.index));
  });
  box.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
    move(active + steps[event.key]);
    event.preventDefault();
  });
  const note = known ? null : make("p", { class: "facts" }, "The tokens do not have this text in GPT-2's vocabulary: the model has its own. One bar per token.");
  return make("div", { class: "token-map" }, note, box, readout);
}

/** The colours' meaning, and the switch for numbers. */
function legend(numbered, onChange) {
  const from = [0, ...STEPS];
  const cells = from.map((low, index) => {
    const text = index === STEPS.length ? `≥ ${low}` : `${low}–${STEPS[index]}`;
    return make("span", { class: `token h${index}` }, text);
  });
  const box = make("input", { type: "checkbox", checked: numbered });
  box.addEventListener("change", () => onChange(box.checked));
  return make("div", { class: "legend", role: "group", "aria-label": "Legend" }, make("span", {}, "−log P per token, nats:"), ...cells, make("label", {}, box, "numbers under the tokens"));
}

