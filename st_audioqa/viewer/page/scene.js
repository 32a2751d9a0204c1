// One scene: everything on the right side of the page.
import { el } from "./dom.js";
import { Player } from "./player.js";
import { questionsView } from "./questions.js";
import { legend } from "./sources.js";
import { spectrogramView } from "./spectrogram.js";
import { topView } from "./topview.js";
import { tracks } from "./tracks.js";

// The bytes are fetched once and serve both playing and the spectrogram.
async function loadAudio(path, audio, picture, gone) {
  const answer = await fetch(path, { signal: gone });
  if (!answer.ok) throw new Error(`The audio cannot be had: ${await answer.text()}`);
  const bytes = await answer.arrayBuffer();
  if (gone.aborted) return;
  const address = URL.createObjectURL(new Blob([bytes], { type: "audio/flac" }));
  gone.addEventListener("abort", () => URL.revokeObjectURL(address));
  audio.src = address;
  const context = new OfflineAudioContext(2, 1, 32000);
  picture.show(await context.decodeAudioData(bytes.slice(0)));
}

export function showScene(place, scene, overview, gone) {
  const audio = scene.audio ? el("audio", { preload: "auto" }) : null;
  const player = new Player(overview.duration_s, audio);
  gone.addEventListener("abort", () => player.stop());
  const note = el("p", { class: "note", role: "status" }, scene.audio ? "" : "This corpus has no audio: the animation runs without sound.");
  const picture = audio && spectrogramView(overview, player);
  const room = scene.room;
  const facts = [scene.split, scene.configuration, [room.category, room.name].filter(Boolean).join(" "), scene.engine, scene.gain_db === null ? "" : `gain ${scene.gain_db.toFixed(1)} dB`];
  place.replaceChildren(
    el("h2", {}, scene.scene_id),
    el("p", { class: "facts" }, facts.filter(Boolean).join(" · ")),
    player.view,
    audio ?? "",
    note,
    el("div", { class: "pictures" },
      el("div", {}, topView(scene, overview, player),
        room.floor ? null : el("p", { class: "note" }, "The outline of this room is not at hand."),
        legend(scene.sources),
        el("p", { class: "note" }, "A thick line and a ring around the mark: the source sounds.")),
      el("div", {}, tracks(scene, overview, player), picture)),
    questionsView(scene.questions),
  );
  if (audio) {
    loadAudio(scene.audio.split("/").map(encodeURIComponent).join("/"), audio, picture, gone).catch((error) => {
      if (!gone.aborted) note.textContent = error.message;
    });
  }
  return player;
}
