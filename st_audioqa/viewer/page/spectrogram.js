// Power over time and frequency of what the two ears hear, on a logarithmic axis.
import { el, svg } from "./dom.js";
import { playhead, PLOT, seconds, timeTicks } from "./tracks.js";

const [FRAME, COLUMNS, ROWS, HEIGHT] = [1024, 590, 120, 158];
const [LOW_HZ, RANGE_DB] = [60, 70];
// Dark to light in even steps of lightness, for eyes that see no red or green as well.
const COLOURS = [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];

// Complex fast Fourier transform in place; the length is a power of two.
export function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2;
    for (let k = 0; k < half; k++) {
      const [c, s] = [Math.cos((2 * Math.PI * k) / size), -Math.sin((2 * Math.PI * k) / size)];
      for (let i = k; i < n; i += size) {
        const [a, b] = [re[i + half] * c - im[i + half] * s, re[i + half] * s + im[i + half] * c];
        [re[i + half], im[i + half]] = [re[i] - a, im[i] - b];
        [re[i], im[i]] = [re[i] + a, im[i] + b];
      }
    }
  }
}

// Decibels [COLUMNS][ROWS], row 0 lowest. Both ears in one transform: left real, right imaginary.
export function spectrogram(left, right, rate) {
  const window = Float64Array.from({ length: FRAME }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FRAME));
  const edges = Array.from({ length: ROWS + 1 }, (_, r) => (LOW_HZ * (rate / 2 / LOW_HZ) ** (r / ROWS)) * (FRAME / rate));
  const [re, im, power] = [new Float64Array(FRAME), new Float64Array(FRAME), new Float64Array(FRAME / 2 + 1)];
  const columns = [];
  for (let column = 0; column < COLUMNS; column++) {
    const start = Math.round(((column + 0.5) / COLUMNS) * left.length - FRAME / 2);
    for (let i = 0; i < FRAME; i++) {
      re[i] = (left[start + i] ?? 0) * window[i];
      im[i] = (right[start + i] ?? 0) * window[i];
    }
    fft(re, im);
    for (let k = 0; k <= FRAME / 2; k++) {
      const m = (FRAME - k) % FRAME;
      power[k] = (re[k] ** 2 + im[k] ** 2 + re[m] ** 2 + im[m] ** 2) / 2;
    }
    columns.push(Float32Array.from({ length: ROWS }, (_, r) => {
      const first = Math.round(edges[r]);
      let most = power[first];
      for (let k = first + 1; k < edges[r + 1] && k <= FRAME / 2; k++) most = Math.max(most, power[k]);
      return 10 * Math.log10(most + 1e-12);
    }));
  }
  return columns;
}

function shade(part) {
  const place = Math.max(0, Math.min(part, 1)) * (COLOURS.length - 1);
  const i = Math.min(Math.floor(place), COLOURS.length - 2);
  return COLOURS[i].map((a, k) => a + (place - i) * (COLOURS[i + 1][k] - a));
}

function paint(columns) {
  const loudest = columns.reduce((most, column) => Math.max(most, ...column), -120);
  const canvas = el("canvas", { width: COLUMNS, height: ROWS });
  const image = new ImageData(COLUMNS, ROWS);
  columns.forEach((column, x) => column.forEach((level, r) => {
    const at = 4 * ((ROWS - 1 - r) * COLUMNS + x);
    image.data.set([...shade(1 + (level - loudest) / RANGE_DB), 255], at);
  }));
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.toDataURL();
}

// An empty plot at once; `show(buffer)` paints it when the audio is there.
export function spectrogramView(overview, player) {
  const [top, bottom] = [20, HEIGHT - 18];
  const picture = svg("image", { x: PLOT.left, y: top, width: PLOT.width - PLOT.left - 6, height: bottom - top, preserveAspectRatio: "none" });
  const labels = svg("g", {});
  const view = svg(
    "svg", { viewBox: `0 0 ${PLOT.width} ${HEIGHT}`, class: "plot", role: "img", "aria-label": "Spectrogram",
      onclick: (event) => player.seek(seconds(event, view, overview)) },
    svg("text", { x: PLOT.left, y: 12, class: "name" }, `Spectrogram (hertz, both ears, ${RANGE_DB} dB from dark to light)`),
    picture, labels, timeTicks(HEIGHT, overview), playhead(HEIGHT, overview, player),
  );
  view.show = (buffer) => {
    const [left, right] = [buffer.getChannelData(0), buffer.getChannelData(buffer.numberOfChannels - 1)];
    picture.setAttribute("href", paint(spectrogram(left, right, buffer.sampleRate)));
    for (const hertz of [100, 1000, 10000]) {
      const part = Math.log(hertz / LOW_HZ) / Math.log(buffer.sampleRate / 2 / LOW_HZ);
      labels.append(svg("text", { x: PLOT.left - 6, y: bottom - part * (bottom - top) + 4, "text-anchor": "end", class: "axis" }, hertz >= 1000 ? `${hertz / 1000}k` : `${hertz}`));
    }
  };
  return view;
}
