// Which rows are shown, and in which order.

// Lower-case texts, made when the browser has time or when they are first searched.
const lower = { prompts: new Array(prompts.length), texts: new Array(data.texts.length) };

function lowered(pool, cache, index) {
  return cache[index] ??= pool[index].toLowerCase();
}

/** Makes lower-case texts while nothing else is to be done. */
function prepareSearch() {
  const pools = [[prompts, lower.prompts, 0], [data.texts, lower.texts, 0]];
  const work = (deadline) => {
    for (const pool of pools) {
      while (pool[2] < pool[0].length) {
        if (deadline.timeRemaining() < 2) return void requestIdleCallback(work);
        lowered(pool[0], pool[1], pool[2]);
        pool[2] += 1;
      }
    }
  };
  if (window.requestIdleCallback) requestIdleCallback(work);
}

/** Which texts of a pool have `words`: every text is searched once, however many samples have it. */
function matches(pool, cache, words) {
  const found = new Uint8Array(pool.length);
  for (let index = 0; index < pool.length; index += 1) {
    if (lowered(pool, cache, index).includes(words)) found[index] = 1;
  }
  return found;
}

/** A function that says whether a row's prompt, target, answer, name or place has `words`. */
function search(words) {
  if (words === "") return () => true;
  const inPrompts = matches(prompts, lower.prompts, words);
  const inTexts = matches(data.texts, lower.texts, words);
  const samples = data.blocks.map((task) => task.ids.map((id, sample) => {
    if (id.toLowerCase().includes(words) || inTexts[task.places[sample]]) return true;
    const places = task.requests[sample];
    return places.some((place, index) => place !== null && (index % 2 === 0 ? inPrompts : inTexts)[place] === 1);
  }));
  return (row) => {
    if (samples[rows.task[row]][rows.sample[row]]) return true;
    const answers = answersOf(row);
    const place = rows.place[row];
    return inTexts[answers.error[place]] === 1 || answers.written[place].some((text) => inTexts[text] === 1);
  };
}

/** Whether between two models an answer turned from right to wrong or the other way round. */
const isFlipped = (before, after) =>
  (before === RIGHT && after === WRONG) || (before === WRONG && after === RIGHT);

/** A function that says whether a row has the result that is asked for. */
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

/** The rows of a choice of filters in its order. `task` and `model` are places or null. */
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
    // What has no number stands at the end.
    found.sort((a, b) => (Number.isNaN(key[a]) - Number.isNaN(key[b])) || sign * (key[a] - key[b]) || a - b);
  }
  return found;
}

