// Azimuth, elevation and distance over the bins, each source's line thick where it sounds.
import { svg } from "./dom.js";
import { binAt } from "./player.js";
import { colour, mark } from "./sources.js";

const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM] = [640, 132, 44, 20, 18];

export const PLOT = { width: WIDTH, left: LEFT };

const KINDS = [
  { key: "azimuth_deg", name: "Azimuth (degrees, left is +)", low: -180, high: 180, step: 90, turns: true },
  { key: "elevation_deg", name: "Elevation (degrees, up is +)", low: -30, high: 30, step: 30 },
  { key: "distance_m", name: "Distance (metres)", low: 0, high: 5, step: 1 },
];

export const seconds = (event, view, overview) => {
  const box = view.getBoundingClientRect();
  return (((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - LEFT - 6) * overview.duration_s;
};

export const timeX = (time, overview) => LEFT + (time / overview.duration_s) * (WIDTH - LEFT - 6);

export const playhead = (height, overview, player) => {
  const line = svg("line", { y1: TOP - 4, y2: height - BOTTOM, class: "playhead" });
  player.watch((time) => {
    const x = timeX(time, overview).toFixed(2);
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
  });
  return line;
};

export function timeTicks(height, overview) {
  const ticks = [];
  for (let time = 0; time <= overview.duration_s; time += 2) {
    ticks.push(svg("text", { x: timeX(time, overview), y: height - 4, "text-anchor": time >= overview.duration_s ? "end" : "middle", class: "axis" }, time ? `${time}` : "0 s"));
  }
  return ticks;
}

function range(kind, sources) {
  const values = sources.flatMap((source) => source[kind.key]);
  const reach = (value, round) => round(value / kind.step) * kind.step;
  const low = Math.min(kind.low, reach(Math.min(...values), Math.floor));
  const high = Math.max(kind.high, reach(Math.max(...values), Math.ceil));
  return [low, high, (high - low) / kind.step > 6 ? kind.step * 2 : kind.step];
}

// Pieces of a line: cut where the azimuth passes behind the listener, and where `keep` says no.
function pieces(values, turns, keep) {
  const found = [[]];
  values.forEach((value, i) => {
    const jump = turns && i > 0 && Math.abs(value - values[i - 1]) > 180;
    if (jump || !keep(i)) found.push([]);
    if (keep(i)) found.at(-1).push(i);
  });
  return found.filter((piece) => piece.length);
}

function plot(kind, scene, overview, player) {
  const [low, high, step] = range(kind, scene.sources);
  const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const x = (i) => timeX((i + 0.5) * overview.bin_s, overview);
  const grid = [];
  for (let value = low; value <= high; value += step) {
    grid.push(
      svg("line", { x1: LEFT, x2: WIDTH - 6, y1: y(value), y2: y(value), class: "grid" }),
      svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end", class: "axis" }, `${value}`.replace("-", "−")),
    );
  }
  const lines = scene.sources.flatMap((source, i) => {
    const values = source[kind.key];
    const draw = (keep, css) => pieces(values, kind.turns, keep).map((piece) => {
      const half = piece.length === 1 ? overview.bin_s * 20 : 0;
      const points = piece.flatMap((k) => half ? [[x(k) - half, y(values[k])], [x(k) + half, y(values[k])]] : [[x(k), y(values[k])]]);
      return svg("polyline", { points: points.map((p) => p.map((v) => v.toFixed(1)).join(",")).join(" "), class: `${css} ${colour(i)}` });
    });
    const begin = `translate(${x(0)} ${y(values[0]).toFixed(1)}) scale(0.55)`;
    return [
      ...draw(() => true, "track"),
      ...draw((k) => source.activity[k], "track sounding"),
      mark(i, { transform: begin }),
    ];
  });
  const marks = scene.sources.map((source, i) => {
    const sign = mark(i);
    player.watch((time) => {
      const k = binAt(time, overview.bin_s, overview.bins);
      sign.setAttribute("transform", `translate(${timeX(time, overview).toFixed(2)} ${y(source[kind.key][k]).toFixed(2)}) scale(0.7)`);
    });
    return sign;
  });
  const view = svg(
    "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", role: "img", "aria-label": `${kind.name} over time`,
      onclick: (event) => player.seek(seconds(event, view, overview)) },
    svg("text", { x: LEFT, y: 12, class: "name" }, kind.name),
    grid, timeTicks(HEIGHT, overview), lines, playhead(HEIGHT, overview, player), marks,
  );
  return view;
}

export const tracks = (scene, overview, player) => KINDS.map((kind) => plot(kind, scene, overview, player));
