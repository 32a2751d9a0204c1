// The room from above in the axes of the listener: front is up, left is left.
import { svg } from "./dom.js";
import { between, binAt } from "./player.js";
import { dash, colour, mark, title } from "./sources.js";

const SIZE = 460;
const EDGE = 26;

export function topView(scene, overview, player) {
  const { sources, room } = scene;
  const points = [[0, 0], ...(room.floor ?? []), ...sources.flatMap((source) => source.path)];
  const fronts = points.map((point) => point[0]);
  const lefts = points.map((point) => point[1]);
  const [bottom, top] = [Math.min(...fronts, -1), Math.max(...fronts, 1)];
  const [right, left] = [Math.min(...lefts, -1), Math.max(...lefts, 1)];
  const scale = (SIZE - 2 * EDGE) / Math.max(top - bottom, left - right);
  const width = (left - right) * scale + 2 * EDGE;
  const height = (top - bottom) * scale + 2 * EDGE;
  const at = ([front, side]) => [EDGE + (left - side) * scale, EDGE + (top - front) * scale];
  const line = (list) => list.map((point) => at(point).map((v) => v.toFixed(1)).join(",")).join(" ");
  const [x, y] = at([0, 0]);
  const text = (px, py, words, anchor = "middle") =>
    svg("text", { x: px, y: py, "text-anchor": anchor, class: "axis" }, words);

  const rings = [];
  for (let metres = 1; metres < Math.hypot(top - bottom, left - right) && metres <= 12; metres++) {
    rings.push(svg("circle", { cx: x, cy: y, r: metres * scale, class: "ring" }));
    if (metres % (scale < 30 ? 2 : 1) === 0 && y + metres * scale < height - 4) {
      rings.push(text(x + 3, y + metres * scale - 3, `${metres} m`, "start"));
    }
  }
  const walls = [
    room.floor && svg("polygon", { points: line(room.floor), class: "floor" }),
    room.furniture.map((box) => svg("polygon", { points: line(box), class: "furniture" })),
  ].flat().filter(Boolean);
  const listener = svg(
    "g", { transform: `translate(${x} ${y})`, class: "listener" },
    svg("path", { d: "M0-34V-8M-34 0H-8", class: "arrow" }),
    svg("path", { d: "M0-40l4 8h-8zM-40 0l8 4v-8z" }),
    svg("path", { d: "M-4-8L0-14L4-8Z" }),
    svg("circle", { r: 10 }),
    svg("path", { d: "M-10-3v6M10-3v6", class: "ears" }),
    svg("text", { x: 8, y: -31 }, "X"), svg("text", { x: -38, y: 16 }, "Y"),
  );
  const names = [
    text(width / 2, 15, "front · azimuth 0°"), text(width / 2, height - 6, "back · 180°"),
    svg("text", { transform: `translate(14 ${height / 2}) rotate(-90)`, "text-anchor": "middle", class: "axis" }, "left · +90°"),
    svg("text", { transform: `translate(${width - 7} ${height / 2}) rotate(-90)`, "text-anchor": "middle", class: "axis" }, "right · −90°"),
  ];
  const paths = sources.map((source, i) =>
    svg("polyline", { points: line(source.path), class: `path ${colour(i)}`, "stroke-dasharray": dash(i) }));
  const starts = sources.map((source, i) => {
    const [px, py] = at(source.path[0]);
    return source.moving ? svg("circle", { cx: px, cy: py, r: 3, class: `start ${colour(i)}` }) : null;
  });
  const marks = sources.map((source, i) => {
    const halo = svg("circle", { r: 12, class: `halo ${colour(i)}` });
    const group = svg("g", { class: "source", "data-source": i }, halo, mark(i), svg("title", {}, title(source)));
    player.watch((time) => {
      const [px, py] = at(between(source.path, time, overview.bin_s));
      group.setAttribute("transform", `translate(${px.toFixed(2)} ${py.toFixed(2)})`);
      group.classList.toggle("silent", !source.activity[binAt(time, overview.bin_s, overview.bins)]);
    });
    return group;
  });
  return svg(
    "svg", { viewBox: `0 0 ${width.toFixed(1)} ${height.toFixed(1)}`, class: "top", role: "img",
      "aria-label": "The room from above, listener facing up, with the path of each source" },
    walls, rings, names, listener, paths, starts.filter(Boolean), marks,
  );
}
