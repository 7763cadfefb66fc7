// Tables: a click on a heading sorts, a second one the other way; what has no number stays last.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = heading.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const ascending = heading.getAttribute("aria-sort") !== "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      for (const body of table.tBodies) {
        const rows = [...body.rows].map((row) => ({ row, key: sortKey(row.cells[column]) }));
        rows.sort((a, b) => compareKeys(a.key, b.key, ascending));
        body.append(...rows.map(({ row }) => row));
      }
    });
  });
}

function sortKey(cell) {
  if (!("value" in cell.dataset)) return cell.textContent.trim();
  return { nan: NaN, inf: Infinity, "-inf": -Infinity }[cell.dataset.value] ?? Number(cell.dataset.value);
}

function compareKeys(a, b, ascending) {
  if (typeof a === "string") return (ascending ? 1 : -1) * a.localeCompare(b, undefined, { numeric: true });
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return (ascending ? 1 : -1) * (a === b ? 0 : a < b ? -1 : 1);
}

// What is wider than its place says so, as long as it is.
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) target.classList.toggle("wide", target.scrollWidth > target.clientWidth + 1);
});
document.querySelectorAll(".scroll").forEach((element) => widths.observe(element));
