// Questions with the right answer and what each model said, marked by sign and word.
import { el, words } from "./dom.js";

const TABLES = {
  qa: "Questions",
  extended: "Questions beyond the paper",
  robustness: "The same questions in other words",
  extended_robustness: "Those beyond the paper in other words",
};

const STATUS = {
  missing: "no answer",
  error: "the model failed",
  empty: "empty answer",
  ambiguous: "names several options",
};

function said(model, verdict) {
  const right = verdict.correct;
  const why = verdict.status === "ok" ? "" : ` (${STATUS[verdict.status] ?? words(verdict.status)})`;
  return el(
    "li", { class: right ? "right" : "wrong" },
    el("span", { class: "sign", "aria-hidden": "true" }, right ? "✓" : "✗"),
    el("span", { class: "model" }, model),
    el("span", { class: "response" }, verdict.response ?? "—"),
    el("span", { class: "verdict" }, `${right ? "right" : "wrong"}${why}`),
  );
}

function card(question) {
  const tags = [question.type, words(question.family), question.attribute && words(question.attribute), question.anchor];
  const answers = Object.entries(question.said);
  return el(
    "li", { class: "question", "data-wrong": answers.some(([, verdict]) => !verdict.correct) ? "yes" : "no" },
    el("p", { class: "tags" }, [...new Set(tags.filter(Boolean))].map((tag) => el("span", {}, tag))),
    el("p", { class: "asked" }, question.question),
    el("p", { class: "answer" }, el("span", { class: "model" }, "Answer"), " ", el("strong", {}, question.answer)),
    question.options.length ? el("p", { class: "options" }, `of ${question.options.join(" · ")}`) : null,
    answers.length ? el("ul", { class: "said" }, answers.map(([model, verdict]) => said(model, verdict))) : null,
  );
}

function score(questions) {
  const models = [...new Set(questions.flatMap((question) => Object.keys(question.said)))];
  return models.map((model) => {
    const verdicts = questions.map((question) => question.said[model]).filter(Boolean);
    const right = verdicts.filter((verdict) => verdict.correct).length;
    return el("span", { class: "score" }, `${model}: ${right} of ${verdicts.length} right`);
  });
}

export function questionsView(questions) {
  if (!questions.length) return el("p", { class: "note" }, "No questions are asked of this scene.");
  const tables = Object.keys(TABLES).filter((table) => questions.some((question) => question.table === table));
  const parts = tables.map((table) => {
    const mine = questions.filter((question) => question.table === table);
    return el(
      "details", { open: !table.endsWith("robustness") },
      el("summary", {}, `${TABLES[table]} (${mine.length})`),
      el("p", { class: "scores" }, score(mine)),
      el("ol", { class: "questions" }, mine.map(card)),
    );
  });
  const view = el("section", { "aria-label": "Questions" });
  if (questions.some((question) => Object.keys(question.said).length)) {
    const only = el("input", { type: "checkbox", id: "only-wrong", onchange: () => view.classList.toggle("only-wrong", only.checked) });
    view.append(el("label", { class: "only" }, only, " only with a wrong answer"));
  }
  view.append(...parts);
  return view;
}
