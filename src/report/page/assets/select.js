// Filters, search and order of the rows.

// Lower-case texts, made when the browser is idle or at the first search.
const lower = { prompts: new Array(prompts.length), texts: new Array(data.texts.length) };

function lowered(table, cache, index) {
  return cache[index] ??= table[index].toLowerCase();
}

/** Makes lower-case texts while the browser is idle. */
function prepareSearch() {
  const tables = [{ table: prompts, cache: lower.prompts, next: 0 }, { table: data.texts, cache: lower.texts, next: 0 }];
  const work = (deadline) => {
    for (const each of tables) {
      for (; each.next < each.table.length; each.next += 1) {
        if (deadline.timeRemaining() < 2) return void requestIdleCallback(work);
        lowered(each.table, each.cache, each.next);
      }
    }
  };
  if (window.requestIdleCallback) requestIdleCallback(work);
}

/** Which texts of a string table contain `words`. */
function matches(table, cache, words) {
  const found = new Uint8Array(table.length);
  for (let index = 0; index < table.length; index += 1) {
    if (lowered(table, cache, index).includes(words)) found[index] = 1;
  }
  return found;
}

/** A predicate of rows: prompt, target, completion, error, id or location contains `words`. */
function search(words) {
  if (words === "") return () => true;
  const inPrompts = matches(prompts, lower.prompts, words);
  const inTexts = matches(data.texts, lower.texts, words);
  const samples = data.tasks.map((task) => task.ids.map((id, sample) => {
    if (id.toLowerCase().includes(words) || inTexts[task.locations[sample]]) return true;
    return task.requests[sample].some((text, index) => text !== null && (index % 2 === 0 ? inPrompts : inTexts)[text] === 1);
  }));
  return (row) => {
    if (samples[rows.task[row]][rows.sample[row]]) return true;
    const answers = answersOf(row);
    const column = rows.column[row];
    return inTexts[answers.error[column]] === 1 || answers.completions[column].some((text) => inTexts[text] === 1);
  };
}

/** Whether one of two answers is right and the other wrong. */
const isFlipped = (before, after) =>
  (before === RIGHT && after === WRONG) || (before === WRONG && after === RIGHT);

/** A predicate of rows: the row has the chosen result. */
function hasResult(choice) {
  const flips = { flipped: isFlipped, lost: (before, after) => before === RIGHT && after === WRONG, won: (before, after) => before === WRONG && after === RIGHT };
  const of = { right: RIGHT, wrong: WRONG, none: NEITHER, failed: FAILED };
  if (choice.result in flips) {
    return (row) => {
      if (rows.model[row] !== choice.to) return false;
      const before = rowOfModel(row, choice.from);
      return before >= 0 && flips[choice.result](rows.result[before], rows.result[row]);
    };
  }
  if (choice.result === "truncated") return (row) => rows.truncated[row] === 1;
  if (choice.result in of) return (row) => rows.result[row] === of[choice.result];
  return () => true;
}

const isFlipChoice = (choice) => ["flipped", "lost", "won"].includes(choice.result);

/** The rows that match the filters, sorted. `task` and `model` are indices or null. */
function select(choice) {
  const isFound = search(choice.search.trim().toLowerCase());
  const isResult = hasResult(choice);
  const model = isFlipChoice(choice) ? null : choice.model;
  const found = [];
  for (let row = 0; row < total; row += 1) {
    if ((choice.task === null || rows.task[row] === choice.task) && (model === null || rows.model[row] === model) && isResult(row) && isFound(row)) {
      found.push(row);
    }
  }
  const [by, direction] = choice.sort.split("-");
  if (by !== "data") {
    const key = rows[by];
    const sign = direction === "down" ? -1 : 1;
    // Rows without a number come last.
    found.sort((a, b) => (Number.isNaN(key[a]) - Number.isNaN(key[b])) || sign * (key[a] - key[b]) || a - b);
  }
  return found;
}

