// One sample: its requests, and each model's answer.

const FINISH_REASONS = ["a stop string", "<|endoftext|>", "the token limit"];
let numbered = false;

/** Fills the article with the sample of a row; its model's answer comes first. */
function showSample(article, row) {
  if (row === undefined) {
    article.replaceChildren(make("p", { class: "hint" }, "No answer matches these filters."));
    article.setAttribute("aria-label", "Sample");
    return;
  }
  const task = taskOf(row);
  const sample = rows.sample[row];
  const requests = requestsOf(task, sample);
  const model = rows.model[row];
  const location = task.locations[sample];
  const sorted = [...task.answers].sort((a, b) => (b.model === model) - (a.model === model));
  const shown = sorted.map((each) => each.rows[sample]).filter((each) => each >= 0);
  const details = shown.map(detailsOf);
  const hasTokens = details.some((detail) => detail.responses.some((response) => response.logProbs?.length > 0));
  article.setAttribute("aria-label", `Sample ${task.ids[sample]}`);
  article.classList.toggle("numbered", numbered);
  const nodes = [
    make("h3", {}, make("bdi", {}, task.title), " · ", make("bdi", {}, task.ids[sample])),
    make("p", { class: "facts" }, make("bdi", {}, task.protocol), ...(location === null ? [] : [" · ", make("bdi", {}, data.texts[location])])),
    task.description ? make("p", { class: "facts", dir: "auto" }, ...visible(task.description)) : null,
    ...prompt(requests, details[0]),
    ...expected(task.expected[sample]),
    hasTokens ? legend(numbered, (checked) => { numbered = checked; article.classList.toggle("numbered", checked); }) : null,
    ...shown.map((each, index) => answer(task, each, details[index], requests, each === row)),
  ];
  article.replaceChildren(...nodes.filter((node) => node !== null));
}

/** The prompt, and the target if there is one request. */
function prompt(requests, detail) {
  if (requests.length === 0) return [make("p", { class: "gap" }, "The run directory has no prompt of this sample.")];
  if (detail?.responses[0]?.kind === "rolling" || requests[0].context === null) {
    return [heading("Text", requests[0].target), block(requests[0].target ?? "", false, "Text")];
  }
  const shared = requests.length > 1 && requests[1].target === requests[0].target && rest(requests[0], requests) !== "";
  const text = shared ? requests[0].context.slice(0, requests[0].context.length - rest(requests[0], requests).length) : requests[0].context;
  const nodes = [heading("Prompt", text), block(text, true, "Prompt")];
  if (requests.length === 1 && requests[0].target !== null) {
    nodes.push(heading("Target", null), block(requests[0].target, false, "Target"));
  }
  return nodes;
}

/** References, or the correct candidate; each once. */
function expected(indices) {
  const texts = [...new Set(indices.map((index) => data.texts[index]))];
  return texts.length === 0 ? [] : [heading(texts.length > 1 ? "Expected, one of" : "Expected", null), ...texts.map((text) => block(text, false, "Expected"))];
}

const heading = (name, text) =>
  make("h4", {}, name, text === null ? null : make("span", { class: "quiet" }, ` · ${count(text.length)} characters`));

function answer(task, row, detail, requests, isOpen) {
  const answers = answersOf(row);
  const column = rows.column[row];
  const result = rows.result[row];
  const isCompletion = detail.responses[0]?.kind === "completion";
  const facts = [];
  const confidence = rows.confidence[row];
  if (!Number.isNaN(confidence)) {
    const of = isCompletion ? "of the completion" : detail.candidateSets[0]?.responses.length > 1 ? "among the candidates" : "of the target";
    facts.push(`probability ${of} ${percent(confidence)}`);
  }
  if (!Number.isNaN(rows.loss[row])) facts.push(`loss ${rows.loss[row].toFixed(3)} nats per token`);
  facts.push(`${several(detail.contextTokens, "token")} read, ${count(detail.targetTokens)} ${isCompletion ? "generated" : "scored"}`);
  const metrics = task.metrics.map((metric, index) => [metric, detail.metrics[index]]).filter(([, value]) => value !== null && value !== undefined);
  return make("section", { class: isOpen ? "answer current" : "answer" },
    make("h4", {}, make("bdi", {}, modelOf(row).name), " ",
      result === NEITHER ? null : mark(result, true),
      task.right !== null && result !== NEITHER && result !== FAILED ? make("span", { class: "quiet" }, ` by ${task.right}`) : null),
    make("p", { class: "facts" }, facts.join(" · ")),
    metrics.length > 0 ? make("p", { class: "facts" }, `This sample alone: ${metrics.map(([metric, value]) => `${metric} ${number(value)}`).join(" · ")}`) : null,
    answers.error[column] === null ? null : make("p", { class: "failure", dir: "auto" }, "Failed: ", ...visible(data.texts[answers.error[column]])),
    answers.truncated_tokens[column] > 0 ? make("p", { class: "facts" }, `${several(answers.truncated_tokens[column], "token")} dropped: the prompt is longer than the model's context.`) : null,
    modelOf(row).other_tokenizer && detail.responses.some((response) => response.tokens) ? make("p", { class: "facts" }, "The model's tokenizer files differ from the bundled ones. Tokens are shown by GPT-2's vocabulary, which gives the same text.") : null,
    ...(detail.candidateSets.length === 0 ? detail.responses.map((each, index) => response(each, index, detail.responses.length)) : candidates(detail, requests)),
    sampleValues(task, detail));
}

/** A response that is not a candidate. */
function response(response, index, of) {
  const name = of > 1 ? ` ${index + 1} of ${of}` : "";
  switch (response.kind) {
    case "completion":
      return make("div", {},
        heading(`Completion${name}`, response.text), block(response.text, false, "Completion"),
        make("p", { class: "facts" }, `ended by ${FINISH_REASONS[response.finish]}`),
        response.logProbs.length > 0 ? tokenMap(response.logProbs, response.tokens, "Generated tokens") : null);
    case "rolling":
      return make("p", { class: "facts" }, `log-likelihood ${nats(response.logLikelihood)} nats over ${several(response.count, "token")}, ${count(response.bytes)} bytes, in ${several(response.windows, "window")} starting in this part of the document. A run keeps the sum of such a part, no log-probabilities of tokens.`);
    default:
      return make("div", {},
        heading(`Log-probabilities of the target${name}`, null),
        make("p", { class: "facts" }, logLikelihood(response)),
        tokenMap(response.logProbs, response.tokens, "Tokens of the target"));
  }
}

function logLikelihood(response) {
  const parts = [`log-likelihood ${nats(response.logLikelihood)} nats`];
  if (response.filtered !== null) parts.push(`${nats(response.filtered)} with the filter`);
  parts.push(response.greedy ? "greedy decoding would give the target" : "greedy decoding would not give the target");
  return parts.join(" · ");
}

/** The candidates of each set with their scores, then the responses that are in no set. */
function candidates(detail, requests) {
  const nodes = [];
  detail.candidateSets.forEach((set, setIndex) => {
    const group = set.responses.map((index) => requests[index] ?? { context: null, target: null });
    const scores = set.responses.map((index) => detail.responses[index].logLikelihood ?? -Infinity);
    const best = scores.indexOf(Math.max(...scores));
    const sum = scores.reduce((all, score) => all + Math.exp(score - scores[best]), 0);
    const sameTarget = group.length > 1 && group[0].target === group[1].target;
    const context = group[0].context ?? "";
    const kind = context.trim() === "" ? "whole texts" : sameTarget ? "one target after different prompts" : "different targets after the prompt";
    nodes.push(heading(`Candidates: ${kind}`, null));
    if (setIndex > 0 && !sameTarget && context.trim() !== "" && context !== requests[0].context) nodes.push(block(context, true, "Prompt of these candidates"));
    set.responses.forEach((responseIndex, index) => {
      const response = detail.responses[responseIndex];
      const isBest = index === best;
      nodes.push(make("div", { class: isBest ? "candidate highest" : "candidate" },
        make("div", { class: "numbers" },
          isBest ? make("strong", {}, "▸ best") : null,
          responseIndex === set.correct ? make("strong", {}, "correct") : null,
          make("span", {}, `log-likelihood ${nats(response.logLikelihood)}`),
          make("span", {}, `per token ${nats(response.logProbs.length > 0 && response.logLikelihood !== null ? response.logLikelihood / response.logProbs.length : null)}`),
          make("span", {}, `share ${percent(Math.exp(scores[index] - scores[best]) / sum)}`)),
        sameTarget ? make("div", { class: "context", dir: "auto" }, ...visible(rest(group[index], group)), "…") : null,
        response.tokens === null ? make("div", { class: "context", dir: "auto" }, ...visible(group[index].target ?? "")) : null,
        tokenMap(response.logProbs, response.tokens, `Tokens of candidate ${index + 1}`)));
    });
  });
  const inSets = new Set(detail.candidateSets.flatMap((set) => set.responses));
  const others = detail.responses.filter((_, index) => !inSets.has(index));
  return [...nodes, ...others.map((each, index) => response(each, index, others.length))];
}

function sampleValues(task, detail) {
  if (detail.values.length === 0) return null;
  const lines = detail.values.map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, task.value_names[name]), make("td", {}, number(value))));
  return make("details", {}, make("summary", {}, "Values"), make("table", { class: "values" }, make("tbody", {}, ...lines)));
}

