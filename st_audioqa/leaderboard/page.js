
"use strict";
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.querySelectorAll("th[scope=col]")];
  const body = table.tBodies[0];
  const key = (row, i) => {
    const cell = row.cells[i];
    if (!cell.classList.contains("n")) return cell.textContent.toLowerCase();
    return cell.dataset.v === "" ? null : Number(cell.dataset.v);
  };
  heads.forEach((head, i) => head.firstElementChild.addEventListener("click", () => {
    const before = head.getAttribute("aria-sort");
    const first = head.classList.contains("n") && i > 0 ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const way = before === first ? other : first;
    heads.forEach(each => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", way);
    const sign = way === "ascending" ? 1 : -1;
    const rows = [...body.rows].map(row => [key(row, i), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (a < b ? -1 : a > b ? 1 : 0);
    });
    body.append(...rows.map(([, row]) => row));
  }));
}
