// How each source looks: a colour, a shape and a dash, so that colour is never alone.
import { el, svg } from "./dom.js";

const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const SHAPES = [
  "M0-6A6 6 0 1 1 0 6A6 6 0 1 1 0-6Z",
  "M-5.5-5.5H5.5V5.5H-5.5Z",
  "M0-7L6.5 5H-6.5Z",
  "M0-7.5L6 0L0 7.5L-6 0Z",
];

export const colour = (i) => `s${i % 4}`;
export const dash = (i) => DASHES[i % 4];
export const mark = (i, attributes = {}) =>
  svg("path", { d: SHAPES[i % 4], class: `mark ${colour(i)}`, ...attributes });

export const title = (source) => source.labels[0] ?? "unnamed";

export function legend(sources) {
  const items = sources.map((source, i) => {
    const sign = svg("svg", { viewBox: "-9 -9 18 18", width: 18, height: 18, "aria-hidden": "true" }, mark(i));
    const how = source.moving
      ? [source.motion || "moving", source.speed_m_s && `${source.speed_m_s.toFixed(1)} m/s`]
      : ["stationary"];
    const more = [source.labels.slice(1).join(", "), source.clip, source.licence, source.attribution];
    return el(
      "li", {}, sign,
      el("span", {}, el("strong", {}, title(source)), ` ${how.filter(Boolean).join(", ")}`,
        el("small", {}, more.filter(Boolean).join(" · "))),
    );
  });
  return el("ul", { class: "legend", "aria-label": "Sources" }, items);
}
