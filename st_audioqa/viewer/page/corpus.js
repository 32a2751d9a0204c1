// What is loaded, and the filter. Nothing here touches the page.

async function json(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error((await answer.text()).slice(0, 500) || `${path}: ${answer.status}`);
  return answer.json();
}

export const loadOverview = () => json("data/corpus.json");

export const loadScene = (id) => json(`data/scenes/${encodeURIComponent(id)}.json`);

// The index comes in pieces of a thousand scenes; `told` is called after each.
export async function loadIndex(overview, told) {
  const rows = [];
  for (let i = 0; i < overview.chunks; i++) {
    rows.push(...(await json(`data/index-${i}.json`)));
    told(rows);
  }
  return rows;
}

export const NO_FILTER = {
  text: "", split: "", conf: "", family: "", room: "", label: "", model: "", answers: "",
};

const holds = (text, part) => text.toLowerCase().includes(part);

// Scenes for which every chosen thing holds. With a family, "wrong" means an answer in it.
export function filterScenes(rows, overview, wanted) {
  const family = overview.families.indexOf(wanted.family);
  const models = wanted.model ? [overview.models.indexOf(wanted.model)] : overview.models.keys();
  const chosen = [...models];
  const [text, room, label] = ["text", "room", "label"].map((name) => wanted[name].trim().toLowerCase());
  const marked = (marks) =>
    chosen.some((m) => (wanted.family ? marks[m].includes(family) : marks[m].length > 0));
  return rows.filter(
    (row) =>
      (!wanted.split || row.split === wanted.split) &&
      (!wanted.conf || row.conf === wanted.conf) &&
      (!wanted.family || row.fam.includes(family)) &&
      (!text || holds(row.id, text)) &&
      (!room || holds(`${row.room} ${row.cat}`, room)) &&
      (!label || row.labels.some((name) => holds(name, label))) &&
      (!wanted.answers ||
        (wanted.answers === "wrong" && marked(row.wrong)) ||
        (wanted.answers === "right" && marked(row.right)) ||
        (wanted.answers === "all-right" && marked(row.right) && !marked(row.wrong))),
  );
}
