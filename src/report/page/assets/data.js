// The data of the page: string tables, and for every task columns of answers.

const data = JSON.parse(find("data").textContent);

// A prompt that shares a prefix with the one before is stored as the prefix's length and the rest.
const prompts = [];
for (const entry of data.prompts) {
  prompts.push(typeof entry === "string" ? entry : prompts[prompts.length - 1].slice(0, entry[0]) + entry[1]);
}

const RIGHT = 1;
const WRONG = 0;
const NEITHER = -1;
const FAILED = 2;

// One row per answer, sorted by sample, then by model.
const total = data.tasks.reduce((sum, task) => sum + task.answers.reduce((rows, answers) => rows + answers.samples.length, 0), 0);
const rows = {
  task: new Uint16Array(total),
  // Index into the task's `answers`, and into their columns.
  answers: new Uint16Array(total),
  column: new Uint32Array(total),
  sample: new Uint32Array(total),
  model: new Uint16Array(total),
  result: new Int8Array(total),
  truncated: new Uint8Array(total),
  confidence: new Float64Array(total).fill(NaN),
  loss: new Float64Array(total).fill(NaN),
};
{
  let row = 0;
  data.tasks.forEach((task, taskIndex) => {
    for (const answers of task.answers) {
      answers.rows = new Int32Array(task.ids.length).fill(-1);
      answers.columnOf = new Int32Array(task.ids.length).fill(-1);
      answers.samples.forEach((sample, column) => { answers.columnOf[sample] = column; });
    }
    for (let sample = 0; sample < task.ids.length; sample += 1) {
      task.answers.forEach((answers, answersIndex) => {
        const column = answers.columnOf[sample];
        if (column < 0) return;
        const hasFailed = answers.error[column] !== null;
        rows.task[row] = taskIndex;
        rows.answers[row] = answersIndex;
        rows.column[row] = column;
        rows.sample[row] = sample;
        rows.model[row] = answers.model;
        rows.result[row] = hasFailed ? FAILED : answers.right[column] ?? NEITHER;
        rows.truncated[row] = answers.truncated_tokens[column] > 0 ? 1 : 0;
        if (answers.confidence[column] !== null && !hasFailed) rows.confidence[row] = answers.confidence[column];
        if (answers.loss[column] !== null && !hasFailed) rows.loss[row] = answers.loss[column];
        answers.rows[sample] = row;
        row += 1;
      });
    }
  });
}

const taskOf = (row) => data.tasks[rows.task[row]];
const answersOf = (row) => taskOf(row).answers[rows.answers[row]];
const modelOf = (row) => data.models[rows.model[row]];
const idOf = (row) => taskOf(row).ids[rows.sample[row]];
const taskName = (task) => `${task.title} (${task.protocol})`;

/** The row of another model's answer to the same sample, or -1. */
function rowOfModel(row, model) {
  const other = taskOf(row).answers.find((answers) => answers.model === model);
  return other ? other.rows[rows.sample[row]] : -1;
}

/** Contexts and targets of a sample's requests; null for a missing one. */
function requestsOf(task, sample) {
  const indices = task.requests[sample];
  const requests = [];
  for (let index = 0; index < indices.length; index += 2) {
    const [context, target] = [indices[index], indices[index + 1]];
    requests.push({
      context: context === null ? null : prompts[context],
      target: target === null ? null : data.texts[target],
    });
  }
  return requests;
}

/** An answer in one line: the error, the completion, the best candidate, or the target. */
function snippet(row) {
  const answers = answersOf(row);
  const column = rows.column[row];
  if (answers.error[column] !== null) return data.texts[answers.error[column]];
  if (answers.completions[column].length > 0) return data.texts[answers.completions[column][0]];
  const requests = requestsOf(taskOf(row), rows.sample[row]);
  const best = requests[answers.best[column]];
  if (!best) return "";
  return rest(best, requests).trimStart() + (best.target ?? "");
}

/** The end of a request's context from the first word that differs between requests with the same target. */
function rest(request, requests) {
  const context = request.context ?? "";
  let shared = context.length;
  for (const other of requests) {
    if (other.target !== request.target || other.context === null || other.context === context) continue;
    let length = 0;
    while (length < shared && other.context[length] === context[length]) length += 1;
    shared = length;
  }
  if (shared === context.length) return "";
  return context.slice(context.lastIndexOf(" ", shared) + 1);
}

/** The rest of an answer, parsed only when it is shown. */
function detailsOf(row) {
  const answers = answersOf(row);
  const [metrics, values, contextTokens, targetTokens, sets, shown] = JSON.parse(answers.details[rows.column[row]]);
  const isScored = (index) => shown[index]?.[0] === 0;
  const candidateSets = sets.map(([indices, correct]) => ({ responses: indices.filter(isScored), correct }))
    .filter((set) => set.responses.length > 0);
  const responses = shown.map((response) => {
    switch (response[0]) {
      case 0: {
        const [, logLikelihood, greedy, context, logProbs, tokens, filtered] = response;
        return { kind: "log-likelihood", logLikelihood, greedy: greedy === 1, context, logProbs, tokens, filtered };
      }
      case 1: {
        const [, logLikelihood, count, bytes, windows] = response;
        return { kind: "rolling", logLikelihood, count, bytes, windows };
      }
      default: {
        const [, text, finish, context, logProbs, tokens] = response;
        return { kind: "completion", text: data.texts[text], finish, context, logProbs, tokens };
      }
    }
  });
  return { metrics, values, contextTokens, targetTokens, candidateSets, responses };
}

