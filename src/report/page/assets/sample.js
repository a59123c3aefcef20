// One sample: what was asked, and what each model said.

const ENDS = ["a stop string", "<|endoftext|>", "the limit of tokens"];
let numbered = false;

/** Fills the article with the sample of a row; its model's answer stands first. */
function showSample(article, row) {
  if (row === undefined) {
    article.replaceChildren(make("p", { class: "hint" }, "No answer is left by these filters."));
    article.setAttribute("aria-label", "Sample");
    return;
  }
  const task = taskOf(row);
  const sample = rows.sample[row];
  const requests = requestsOf(task, sample);
  const own = rows.model[row];
  const place = task.places[sample];
  const answers = [...task.answers].sort((a, b) => (b.model === own) - (a.model === own));
  const shown = answers.map((each) => each.rows[sample]).filter((each) => each >= 0);
  const details = shown.map(detailsOf);
  const hasTokens = details.some((detail) => detail.responses.some((response) => response.logProbs?.length > 0));
  article.setAttribute("aria-label", `Sample ${task.ids[sample]}`);
  article.classList.toggle("numbered", numbered);
  const nodes = [
    make("h3", {}, make("bdi", {}, task.title), " · ", make("bdi", {}, task.ids[sample])),
    make("p", { class: "facts" }, make("bdi", {}, task.protocol), ...(place === null ? [] : [" · ", make("bdi", {}, data.texts[place])])),
    task.description ? make("p", { class: "facts", dir: "auto" }, ...visible(task.description)) : null,
    ...asked(requests, details[0]),
    ...expected(task.expected[sample]),
    hasTokens ? legend(numbered, (checked) => { numbered = checked; article.classList.toggle("numbered", checked); }) : null,
    ...shown.map((each, index) => answer(task, each, details[index], requests, each === row)),
  ];
  article.replaceChildren(...nodes.filter((node) => node !== null));
}

/** Prompt and target, where there is one of each. */
function asked(requests, detail) {
  if (requests.length === 0) return [make("p", { class: "gap" }, "The run directory does not say what was asked.")];
  if (detail?.responses[0]?.kind === "rolling" || requests[0].context === null) {
    return [heading("Text", requests[0].target), block(requests[0].target ?? "", false, "Text")];
  }
  const shared = requests.length > 1 && requests[1].target === requests[0].target && rest(requests[0], requests) !== "";
  const prompt = shared ? requests[0].context.slice(0, requests[0].context.length - rest(requests[0], requests).length) : requests[0].context;
  const nodes = [heading("Prompt", prompt), block(prompt, true, "Prompt")];
  if (requests.length === 1 && requests[0].target !== null) {
    nodes.push(heading("Target", null), block(requests[0].target, false, "Target"));
  }
  return nodes;
}

/** References, or the right candidate, where no target says it; each once. */
function expected(places) {
  const texts = [...new Set(places.map((place) => data.texts[place]))];
  return texts.length === 0 ? [] : [heading(texts.length > 1 ? "Expected, one of" : "Expected", null), ...texts.map((text) => block(text, false, "Expected"))];
}

const heading = (name, text) =>
  make("h4", {}, name, text === null ? null : make("span", { class: "quiet" }, ` · ${count(text.length)} characters`));

function answer(task, row, detail, requests, isOpen) {
  const answers = answersOf(row);
  const place = rows.place[row];
  const result = rows.result[row];
  const facts = [];
  const confidence = rows.confidence[row];
  if (!Number.isNaN(confidence)) {
    const of = detail.responses[0].kind === "written" ? "of the text" : detail.sets[0] > 1 ? "among the candidates" : "of the target";
    facts.push(`probability ${of} ${percent(confidence)}`);
  }
  if (!Number.isNaN(rows.loss[row])) facts.push(`loss ${rows.loss[row].toFixed(3)} nats a token`);
  facts.push(`${several(detail.contextTokens, "token")} read, ${count(detail.targetTokens)} ${detail.responses[0]?.kind === "written" ? "written" : "scored"}`);
  const values = task.metrics.map((metric, index) => [metric, detail.values[index]]).filter(([, value]) => value !== null && value !== undefined);
  return make("section", { class: isOpen ? "answer current" : "answer" },
    make("h4", {}, make("bdi", {}, modelOf(row).name), " ",
      result === NEITHER ? null : mark(result, true),
      task.right !== null && result !== NEITHER && result !== FAILED ? make("span", { class: "quiet" }, ` by ${task.right}`) : null),
    make("p", { class: "facts" }, facts.join(" · ")),
    values.length > 0 ? make("p", { class: "facts" }, `Of this sample alone: ${values.map(([metric, value]) => `${metric} ${number(value)}`).join(" · ")}`) : null,
    answers.error[place] === null ? null : make("p", { class: "failure", dir: "auto" }, "Failed: ", ...visible(data.texts[answers.error[place]])),
    answers.truncated[place] > 0 ? make("p", { class: "facts" }, `${several(answers.truncated[place], "token")} of what was asked dropped, for it is longer than the model's window.`) : null,
    modelOf(row).other_tokenizer && detail.responses.some((response) => response.pieces) ? make("p", { class: "facts" }, "The model's tokenizer files are not the bundled ones; tokens are shown as GPT-2's, with which their number agrees.") : null,
    ...(detail.sets.length === 0 || detail.responses.length === 1 ? detail.responses.map((response, index) => said(response, index, detail.responses.length)) : candidates(detail, requests)),
    statistics(task, detail));
}

/** A response that stands alone. */
function said(response, index, of) {
  const name = of > 1 ? ` ${index + 1} of ${of}` : "";
  switch (response.kind) {
    case "written":
      return make("div", {},
        heading(`Answer${name}`, response.text), block(response.text, false, "Answer"),
        make("p", { class: "facts" }, `ended by ${ENDS[response.end]}`),
        response.logProbs.length > 0 ? tokenMap(response.logProbs, response.pieces, "Tokens that were written") : null);
    case "rolling":
      return make("p", { class: "facts" }, `log-likelihood ${nats(response.logLikelihood)} nats over ${several(response.tokens, "token")}, ${count(response.bytes)} bytes, scored in ${several(response.windows, "window")} that begin in this part of the document. A run keeps the sum of such a part and no log-probabilities of tokens.`);
    default:
      return make("div", {},
        heading(`Log-probabilities of the target${name}`, null),
        make("p", { class: "facts" }, ...scored(response)),
        tokenMap(response.logProbs, response.pieces, "Tokens of the target"));
  }
}

function scored(response) {
  const parts = [`log-likelihood ${nats(response.logLikelihood)} nats`];
  if (response.filtered !== null) parts.push(`${nats(response.filtered)} with the filter`);
  parts.push(response.greedy ? "every token is the most probable one" : "not what the model would say first");
  return [parts.join(" · ")];
}

/** Sets of candidates with their scores, each in the order of the requests; the highest is named. */
function candidates(detail, requests) {
  const nodes = [];
  let start = 0;
  for (const size of detail.sets) {
    const places = Array.from({ length: size }, (_, index) => start + index);
    const group = places.map((place) => requests[place]);
    const scores = places.map((place) => detail.responses[place].logLikelihood ?? -Infinity);
    const best = scores.indexOf(Math.max(...scores));
    const sum = scores.reduce((all, score) => all + Math.exp(score - scores[best]), 0);
    const sameTarget = size > 1 && group[0].target === group[1].target;
    const context = group[0].context ?? "";
    const what = context.trim() === "" ? "whole texts" : sameTarget ? "one target behind different prompts" : "different targets behind the prompt";
    nodes.push(heading(size > 1 ? `Candidates: ${what}` : "Target", null));
    if (start > 0 && !sameTarget && context.trim() !== "" && context !== requests[0].context) nodes.push(block(context, true, "Prompt of these candidates"));
    places.forEach((place, index) => {
      const response = detail.responses[place];
      const isBest = index === best;
      nodes.push(make("div", { class: isBest && size > 1 ? "candidate highest" : "candidate" },
        make("div", { class: "numbers" },
          isBest && size > 1 ? make("strong", {}, "▸ highest") : null,
          make("span", {}, `log-likelihood ${nats(response.logLikelihood)}`),
          make("span", {}, `a token ${nats(response.logProbs.length > 0 && response.logLikelihood !== null ? response.logLikelihood / response.logProbs.length : null)}`),
          size > 1 ? make("span", {}, `share ${percent(Math.exp(scores[index] - scores[best]) / sum)}`) : null),
        sameTarget ? make("div", { class: "context", dir: "auto" }, ...visible(rest(group[index], group)), "…") : null,
        response.pieces === null ? make("div", { class: "context", dir: "auto" }, ...visible(group[index].target ?? "")) : null,
        tokenMap(response.logProbs, response.pieces, `Tokens of candidate ${index + 1}`)));
    });
    start += size;
  }
  return nodes;
}

function statistics(task, detail) {
  if (detail.statistics.length === 0) return null;
  const lines = detail.statistics.map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, task.statistics[name]), make("td", {}, number(value))));
  return make("details", {}, make("summary", {}, "Statistics"), make("table", { class: "statistics" }, make("tbody", {}, ...lines)));
}

