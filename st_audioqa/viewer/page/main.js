// Starts the page: list and filters on the left, the scene that the address names on the right.
import { filterScenes, loadIndex, loadOverview, loadScene, NO_FILTER } from "./corpus.js";
import { byId, el } from "./dom.js";
import { fillFilters } from "./filters.js";
import { showScene } from "./scene.js";

const PAGE = 50;
let [rows, shown, wanted, page, loaded] = [[], [], NO_FILTER, 0, false];
let [overview, player, leave] = [null, null, new AbortController()];

const current = () => decodeURIComponent(location.hash.slice(1));

function item(row) {
  const here = row.id === current();
  return el(
    "li", {},
    el("a", { href: `#${encodeURIComponent(row.id)}`, "aria-current": here ? "true" : null },
      el("span", { class: "id" }, row.id), el("span", { class: "conf" }, row.conf),
      el("span", { class: "labels" }, row.labels.join(" + "))),
  );
}

function drawList() {
  const pages = Math.max(1, Math.ceil(shown.length / PAGE));
  page = Math.max(0, Math.min(page, pages - 1));
  byId("list").replaceChildren(...shown.slice(page * PAGE, (page + 1) * PAGE).map(item));
  byId("list").start = page * PAGE + 1;
  byId("count").textContent = `${shown.length} of ${overview.scenes} scenes${loaded ? "" : " (loading …)"}`;
  byId("page").textContent = `${page + 1} of ${pages}`;
  byId("earlier").disabled = page === 0;
  byId("later").disabled = page === pages - 1;
}

function refilter() {
  shown = filterScenes(rows, overview, wanted);
  drawList();
}

async function drawScene() {
  const id = current() || shown[0]?.id;
  if (!id) return;
  leave.abort();
  const mine = (leave = new AbortController());
  const place = byId("scene");
  try {
    const scene = await loadScene(id);
    if (mine.signal.aborted) return;
    player = showScene(place, scene, overview, mine.signal);
    document.title = `${scene.scene_id} · ${overview.name}`;
  } catch (error) {
    place.replaceChildren(el("p", { class: "note", role: "alert" }, `${id}: ${error.message}`));
  }
  for (const link of document.querySelectorAll("#list a")) {
    const here = link.hash === `#${encodeURIComponent(id)}`;
    if (here) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function turn(step) {
  page += step;
  drawList();
}

function keys(event) {
  if (event.target.closest("input, select, textarea, button, summary, a") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " ") player?.toggle();
  else if (event.key === "ArrowLeft" || event.key === "ArrowRight") player?.seek(player.time + (event.key === "ArrowLeft" ? -0.5 : 0.5));
  else return;
  event.preventDefault();
}

async function start() {
  overview = await loadOverview();
  document.title = overview.name;
  byId("name").textContent = overview.name;
  byId("description").textContent = overview.description;
  byId("filter-box").open = matchMedia("(min-width: 56em)").matches;
  fillFilters(byId("filters"), overview, (values) => {
    [wanted, page] = [values, 0];
    refilter();
  });
  byId("earlier").addEventListener("click", () => turn(-1));
  byId("later").addEventListener("click", () => turn(1));
  window.addEventListener("hashchange", drawScene);
  document.addEventListener("keydown", keys);
  let first = true;
  await loadIndex(overview, (found) => {
    rows = found;
    refilter();
    if (first) drawScene();
    first = false;
  });
  loaded = true;
  refilter();
}

start().catch((error) => byId("scene").replaceChildren(el("p", { class: "note", role: "alert" }, error.message)));
