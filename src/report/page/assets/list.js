// The list of answers. Only visible rows have elements: there are thousands.

const MARKS = new Map([[RIGHT, ["✓", "right"]], [WRONG, ["✗", "wrong"]], [FAILED, ["!", "failed"]], [NEITHER, ["·", "neither"]]]);

/** The symbol of a result; its word is the title, and with `text` visible. */
function mark(result, text = false) {
  const [symbol, word] = MARKS.get(result);
  return make("span", { class: `mark ${word}`, title: word }, text ? `${symbol} ${word}` : symbol);
}

class List {
  constructor(box, inner, onOpen) {
    this.box = box;
    this.inner = inner;
    this.onOpen = onOpen;
    this.rows = [];
    this.active = -1;
    this.choice = null;
    this.height = 5 * parseFloat(getComputedStyle(document.documentElement).fontSize);
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row) this.open(Number(row.dataset.index));
    });
    new ResizeObserver(() => this.draw()).observe(box);
  }

  /** Shows other rows. The open row stays open if it is among them. */
  show(found, choice) {
    const before = this.rows[this.active];
    this.rows = found;
    this.choice = choice;
    this.inner.style.height = `${found.length * this.height}px`;
    this.active = before === undefined ? -1 : found.indexOf(before);
    if (this.active < 0 && found.length > 0) this.active = 0;
    this.box.scrollTop = Math.max(0, (this.active - 2) * this.height);
    this.draw();
    if (this.rows[this.active] !== before) this.onOpen(this.rows[this.active], false);
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.height) - 5);
    const last = Math.min(this.rows.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / this.height) + 5);
    const drawn = [];
    for (let index = first; index < last; index += 1) drawn.push(this.row(index));
    // `aria-activedescendant` needs the active row.
    if (this.active >= 0 && (this.active < first || this.active >= last)) drawn.push(this.row(this.active));
    this.inner.replaceChildren(...drawn);
    if (this.active >= 0) this.box.setAttribute("aria-activedescendant", `row-${this.active}`);
    else this.box.removeAttribute("aria-activedescendant");
  }

  row(index) {
    const row = this.rows[index];
    const answers = answersOf(row);
    const task = taskOf(row);
    const column = rows.column[row];
    const marks = [mark(rows.result[row])];
    if (isFlipChoice(this.choice)) marks.unshift(mark(rows.result[rowOfModel(row, this.choice.from)]), "→");
    const score = task.right === null && answers.score[column] !== null ? `${task.metrics[0]} ${number(Number(answers.score[column].toPrecision(4)))}` : "";
    const names = [this.choice.model === null || isFlipChoice(this.choice) ? modelOf(row).name : null, this.choice.task === null ? task.title : null, idOf(row)];
    const confidence = Number.isNaN(rows.confidence[row]) ? null : `P ${percent(rows.confidence[row])}`;
    const loss = Number.isNaN(rows.loss[row]) ? null : `loss ${rows.loss[row].toFixed(2)}`;
    const element = make("div", {
      class: "row", role: "option", id: `row-${index}`, "data-index": index, "data-row": row,
      "aria-selected": String(index === this.active), "aria-setsize": this.rows.length, "aria-posinset": index + 1,
      "aria-label": `${names.filter(Boolean).join(", ")}: ${MARKS.get(rows.result[row])[1]}. ${clipped(snippet(row), 80)}`,
    },
      make("div", {}, make("span", {}, ...marks), make("span", { class: "name", dir: "auto" }, names.filter(Boolean).join(" · "))),
      make("div", {}, make("span", { class: "snippet", dir: "auto" }, clipped(snippet(row), 120) || "(empty)")),
      make("div", { class: "quiet" }, [score, confidence, loss].filter(Boolean).join(" · ")));
    element.style.top = `${index * this.height}px`;
    return element;
  }

  /** Moves to a row and opens it. */
  move(index) {
    if (this.rows.length === 0) return;
    this.active = Math.min(Math.max(index, 0), this.rows.length - 1);
    const top = this.active * this.height;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + this.height > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + this.height - this.box.clientHeight;
    this.draw();
    this.onOpen(this.rows[this.active], false);
  }

  open(index) {
    this.move(index);
    this.onOpen(this.rows[this.active], true);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.box.clientHeight / this.height) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) this.move(this.active + steps[event.key]);
    else if (event.key === "Enter") find("sample").focus();
    else return;
    event.preventDefault();
  }
}

