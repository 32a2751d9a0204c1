// One clock for everything that moves: that of the audio where there is some, else its own.
import { el } from "./dom.js";

export class Player {
  constructor(duration_s, audio) {
    this.duration = duration_s;
    this.audio = audio;
    this.watchers = [];
    this.since = null;
    this.at = 0;
    this.button = el("button", { type: "button", class: "play", onclick: () => this.toggle() }, "Play");
    this.slider = el("input", {
      type: "range", min: 0, max: duration_s, step: 0.05, value: 0, "aria-label": "Time in seconds",
      oninput: () => this.seek(Number(this.slider.value)),
    });
    this.clock = el("output", { class: "clock" });
    this.view = el("div", { class: "transport" }, this.button, this.slider, this.clock);
    if (audio) {
      for (const name of ["play", "pause", "ended", "seeked"]) audio.addEventListener(name, () => this.draw());
    }
    this.draw();
  }

  get playing() {
    return this.audio ? !this.audio.paused && !this.audio.ended : this.since !== null;
  }

  get time() {
    if (this.audio) return Math.min(this.audio.currentTime, this.duration);
    const gone = this.since === null ? 0 : (performance.now() - this.since) / 1000;
    return Math.min(this.at + gone, this.duration);
  }

  seek(time) {
    this.at = Math.max(0, Math.min(time, this.duration));
    if (this.audio) this.audio.currentTime = this.at;
    if (this.since !== null) this.since = performance.now();
    this.draw();
  }

  async toggle() {
    if (this.playing) return this.stop();
    if (this.time >= this.duration - 0.01) this.seek(0);
    if (this.audio) await this.audio.play().catch((error) => (this.clock.title = String(error)));
    else this.since = performance.now();
    this.draw();
  }

  stop() {
    this.at = this.time;
    this.since = null;
    this.audio?.pause();
    this.draw();
  }

  // `watcher` gets the time whenever it changes.
  watch(watcher) {
    this.watchers.push(watcher);
    watcher(this.time);
  }

  draw() {
    const time = this.time;
    if (!this.audio && this.since !== null && time >= this.duration) {
      this.at = this.duration;
      this.since = null;
    }
    this.slider.value = time;
    this.slider.setAttribute("aria-valuetext", `${time.toFixed(2)} seconds`);
    this.clock.textContent = `${time.toFixed(2)} / ${this.duration.toFixed(1)} s`;
    this.button.textContent = this.playing ? "Pause" : "Play";
    for (const watcher of this.watchers) watcher(time);
    cancelAnimationFrame(this.next);
    if (this.playing) this.next = requestAnimationFrame(() => this.draw());
  }
}

// A value of the 40 bins at a time; a bin's state is that at its centre.
export function between(values, time, bin_s) {
  const place = Math.max(0, Math.min(time / bin_s - 0.5, values.length - 1));
  const i = Math.min(Math.floor(place), values.length - 2);
  const part = place - i;
  const mix = (a, b) => a + part * (b - a);
  return Array.isArray(values[i]) ? values[i].map((a, k) => mix(a, values[i + 1][k])) : mix(values[i], values[i + 1]);
}

export const binAt = (time, bin_s, count) => Math.max(0, Math.min(Math.floor(time / bin_s), count - 1));
