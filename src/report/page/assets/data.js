// The data of the page: pools of texts, and for every task columns of answers.

const data = JSON.parse(find("data").textContent);

// A prompt that begins as the one before is written as the length of that beginning and the rest.
const prompts = [];
for (const entry of data.prompts) {
  prompts.push(typeof entry === "string" ? entry : prompts[prompts.length - 1].slice(0, entry[0]) + entry[1]);
}

const RIGHT = 1;
const WRONG = 0;
const NEITHER = -1;
const FAILED = 2;

// Every answer is a row: sample after sample, and of each the models one after the other.
const total = data.blocks.reduce((sum, task) => sum + task.answers.reduce((rows, answers) => rows + answers.samples.length, 0), 0);
const rows = {
  task: new Uint16Array(total),
  answers: new Uint16Array(total),
  place: new Uint32Array(total),
  sample: new Uint32Array(total),
  model: new Uint16Array(total),
  result: new Int8Array(total),
  truncated: new Uint8Array(total),
  confidence: new Float64Array(total).fill(NaN),
  loss: new Float64Array(total).fill(NaN),
};
{
  let row = 0;
  data.blocks.forEach((task, taskPlace) => {
    for (const answers of task.answers) {
      answers.rows = new Int32Array(task.ids.length).fill(-1);
      answers.places = new Int32Array(task.ids.length).fill(-1);
      answers.samples.forEach((sample, place) => { answers.places[sample] = place; });
    }
    for (let sample = 0; sample < task.ids.length; sample += 1) {
      task.answers.forEach((answers, answersPlace) => {
        const place = answers.places[sample];
        if (place < 0) return;
        rows.task[row] = taskPlace;
        rows.answers[row] = answersPlace;
        rows.place[row] = place;
        rows.sample[row] = sample;
        rows.model[row] = answers.model;
        rows.result[row] = answers.error[place] !== null ? FAILED : answers.right[place] ?? NEITHER;
        rows.truncated[row] = answers.truncated[place] > 0 ? 1 : 0;
        if (answers.confidence[place] !== null && answers.error[place] === null) rows.confidence[row] = answers.confidence[place];
        if (answers.loss[place] !== null && answers.error[place] === null) rows.loss[row] = answers.loss[place];
        answers.rows[sample] = row;
        row += 1;
      });
    }
  });
}

const taskOf = (row) => data.blocks[rows.task[row]];
const answersOf = (row) => taskOf(row).answers[rows.answers[row]];
const modelOf = (row) => data.models[rows.model[row]];
const idOf = (row) => taskOf(row).ids[rows.sample[row]];
const taskName = (task) => `${task.title} (${task.protocol})`;

/** The row of another model's answer to the same sample, or -1. */
function rowOfModel(row, model) {
  const other = taskOf(row).answers.find((answers) => answers.model === model);
  return other ? other.rows[rows.sample[row]] : -1;
}

/** Contexts and targets of a sample, as texts; null where there is none. */
function requestsOf(task, sample) {
  const places = task.requests[sample];
  const requests = [];
  for (let index = 0; index < places.length; index += 2) {
    const [context, target] = [places[index], places[index + 1]];
    requests.push({
      context: context === null ? null : prompts[context],
      target: target === null ? null : data.texts[target],
    });
  }
  return requests;
}

/** What a row shows of its answer in one line: what was written, the highest candidate, or the target. */
function snippet(row) {
  const answers = answersOf(row);
  const place = rows.place[row];
  if (answers.error[place] !== null) return data.texts[answers.error[place]];
  if (answers.written[place].length > 0) return data.texts[answers.written[place][0]];
  const task = taskOf(row);
  const requests = requestsOf(task, rows.sample[row]);
  const chosen = requests[answers.highest[place]];
  if (!chosen) return "";
  return rest(chosen, requests).trimStart() + (chosen.target ?? "");
}

/** The end of a request's context in which it differs from the other requests', from the beginning of a word on. */
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

/** The rest of an answer, which is read when it is looked at. */
function detailsOf(row) {
  const answers = answersOf(row);
  const [values, statistics, contextTokens, targetTokens, sets, said] = JSON.parse(answers.details[rows.place[row]]);
  const responses = said.map((response) => {
    switch (response[0]) {
      case 0: {
        const [, logLikelihood, greedy, context, logProbs, pieces, filtered] = response;
        return { kind: "scored", logLikelihood, greedy: greedy === 1, context, logProbs, pieces, filtered };
      }
      case 1: {
        const [, logLikelihood, tokens, bytes, windows] = response;
        return { kind: "rolling", logLikelihood, tokens, bytes, windows };
      }
      default: {
        const [, text, end, context, logProbs, pieces] = response;
        return { kind: "written", text: data.texts[text], end, context, logProbs, pieces };
      }
    }
  });
  return { values, statistics, contextTokens, targetTokens, sets, responses };
}

