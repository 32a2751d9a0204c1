import { NO_FILTER } from "./corpus.js";
import { el, words } from "./dom.js";

const ANSWERS = { wrong: "some wrong", right: "some right", "all-right": "all right" };

function choice(name, label, options, shown = (option) => option) {
  const all = el("option", { value: "" }, "any");
  const rest = options.map((option) => el("option", { value: option }, shown(option)));
  return el("label", {}, label, el("select", { name }, all, rest));
}

function text(name, label, hint) {
  const input = el("input", { name, type: "search", placeholder: hint, autocomplete: "off" });
  return el("label", {}, label, input);
}

// Fills the form; `changed` gets the values whenever one changes.
export function fillFilters(form, overview, changed) {
  form.append(
    choice("split", "Split", overview.splits),
    choice("conf", "Configuration", overview.configurations),
    choice("family", "Question family", overview.families, words),
    text("label", "Label", "such as bell"),
    text("room", "Room", "name or kind"),
    text("text", "Scene", "part of its name"),
  );
  if (overview.models.length) {
    form.append(
      choice("answers", "Answers", Object.keys(ANSWERS), (name) => ANSWERS[name]),
      choice("model", "of the model", overview.models),
    );
  }
  form.append(el("button", { type: "reset" }, "Clear"));
  const told = () => changed({ ...NO_FILTER, ...Object.fromEntries(new FormData(form)) });
  form.addEventListener("input", told);
  form.addEventListener("reset", () => setTimeout(told));
  form.addEventListener("submit", (event) => event.preventDefault());
}
