// Filters, keys and the colour scheme.

const form = find("filters");
const controls = Object.fromEntries(["search", "task", "model", "result", "from", "to", "sort"].map((id) => [id, find(id)]));

function fillChoices() {
  const option = (value, name) => make("option", { value }, clipped(name, 80));
  controls.task.append(option("", "all"), ...data.tasks.map((task, index) => option(index, taskName(task))));
  const models = data.models.map((model, index) => [index, model.name]);
  controls.model.append(option("", "all"), ...models.map(([index, name]) => option(index, name)));
  for (const control of [controls.from, controls.to]) control.append(...models.map(([index, name]) => option(index, name)));
  setDefaults();
  // A flip needs two models and a task whose answers are right or wrong.
  const possible = models.length > 1 && data.tasks.some((task) => task.right !== null);
  for (const name of ["flipped", "lost", "won"]) controls.result.querySelector(`[value=${name}]`).disabled = !possible;
}

function setDefaults() {
  if (data.models.length > 1) controls.to.value = "1";
}

const selected = (control) => (control.value === "" ? null : Number(control.value));

function choice() {
  return {
    search: controls.search.value, task: selected(controls.task), model: selected(controls.model), result: controls.result.value,
    from: selected(controls.from), to: selected(controls.to), sort: controls.sort.value,
  };
}

/** Applies the filters; the element has the milliseconds that it took, for benchmarks. */
function apply(list) {
  const began = performance.now();
  const chosen = choice();
  const isFlip = isFlipChoice(chosen);
  for (const label of form.querySelectorAll(".pair")) label.hidden = !isFlip;
  controls.model.disabled = isFlip;
  const found = select(chosen);
  list.show(found, chosen);
  find("count").textContent = `${count(found.length)} of ${count(total)} answers`;
  document.documentElement.dataset.filterMilliseconds = (performance.now() - began).toFixed(1);
}

function chooseTheme() {
  const button = find("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  const name = () => { button.textContent = isDark() ? "Light colours" : "Dark colours"; };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    name();
  });
  dark.addEventListener("change", name);
  button.hidden = false;
  name();
}

function start() {
  fillChoices();
  for (const id of ["filters", "browser", "keys"]) find(id).hidden = false;
  const article = find("sample");
  const list = new List(find("list"), find("rows"), (row, isChosen) => {
    showSample(article, row);
    // In a narrow window the sample is below the list.
    if (isChosen && article.getBoundingClientRect().top > innerHeight * 0.8) article.scrollIntoView({ block: "start" });
  });
  let waiting = 0;
  form.addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => apply(list), event.target === controls.search ? 120 : 0);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { setDefaults(); apply(list); }));
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input[type=search], select");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      controls.search.focus();
      controls.search.select();
      event.preventDefault();
    } else if (event.key === "Escape") {
      if (event.target === controls.search && controls.search.value !== "") {
        controls.search.value = "";
        apply(list);
        event.preventDefault();
      } else if (find("samples").contains(event.target)) {
        list.box.focus();
      }
    } else if (event.key === "Enter" && event.target === controls.search) {
      list.box.focus();
    }
  });
  chooseTheme();
  apply(list);
  prepareSearch();
  document.documentElement.dataset.ready = performance.now().toFixed(0);
}

start();
