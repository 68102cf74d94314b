"""What a cluster's page adds to the style of a speed test's."""

from lab.render.cluster_page.picture import DARK, LIGHT

_SCALE = {"light": LIGHT, "dark": DARK}


def _colours(name: str) -> str:
    return " ".join(f"--c{i}: {colour};" for i, colour in enumerate(_SCALE[name][:-1]))


_CELLS = "\n".join(
    f".c{i} {{ background: var(--c{i}); }}" for i in range(len(LIGHT) - 1)
)  # fmt: skip

CSS = f"""
:root {{ {_colours("light")} --strong: #fff; }}
@media (prefers-color-scheme: dark) {{ :root {{ {_colours("dark")} --strong: #0f1318; }} }}
{_CELLS}
.c0, .c8 {{ color: var(--strong); }}
.straggler, .failed, .lost, .never_started, .slow {{ color: var(--bad); }}
.partial, .suspect, .differs {{ color: var(--warn); }}
.unknown {{ color: var(--none); }}
.heat {{ overflow: auto; max-height: 80vh; border: 1px solid var(--line); margin: .5rem 0 1rem; }}
.heat table {{ border: 0; margin: 0; width: auto; border-collapse: separate; border-spacing: 1px; }}
.heat caption {{ padding: .2rem .6rem; white-space: nowrap; }}
.heat th, .heat td {{ padding: .12rem .35rem; white-space: nowrap; }}
.heat td {{ text-align: right; font-variant-numeric: tabular-nums; font-size: .82rem; }}
.heat td:first-child {{ color: inherit; }}
.heat thead th {{
  position: sticky; top: 0; background: var(--card); vertical-align: bottom; z-index: 1;
}}
.heat thead span {{ writing-mode: vertical-rl; transform: rotate(180deg); max-height: 16rem; }}
.heat tbody th, .heat thead th:first-child {{
  position: sticky; left: 0; background: var(--card);
}}
.heat thead th:first-child {{ z-index: 2; }}
.heat tbody tr + tr {{ border: 0; }}
.heat td.reason {{ text-align: left; white-space: normal; }}
.heat td.none {{ color: var(--muted); }}
.heat td.marked, .legend .marked {{ font-weight: 700; box-shadow: inset 0 0 0 2px var(--ink); }}
.heat td:focus {{ outline: 3px solid var(--none); outline-offset: 1px; }}
.glance {{
  display: block; width: 100%; height: var(--tall); image-rendering: pixelated;
  border: 1px solid var(--line); background: var(--card);
}}
.ends {{ display: flex; justify-content: space-between; max-width: none; font-size: .9rem; }}
.legend {{
  display: flex; flex-wrap: wrap; gap: 1px; padding: 0; margin: .5rem 0; font-size: .85rem;
}}
.legend li {{ list-style: none; padding: .1rem .5rem; border: 1px solid var(--line); }}
.told {{
  position: sticky; bottom: 0; margin: 0; padding: .4rem .7rem; max-width: none; min-height: 2.3rem;
  background: var(--card); border: 1px solid var(--line); z-index: 3;
}}
.names {{ overflow-wrap: anywhere; }}
summary {{ cursor: pointer; padding: .3rem 0; }}
@media screen and (max-width: 52rem) {{
  .heat table {{ display: table; }}
  .heat caption {{ display: table-caption; }}
  .heat thead {{
    display: table-header-group; position: static; clip-path: none; width: auto; height: auto;
    overflow: visible;
  }}
  .heat tbody {{ display: table-row-group; }}
  .heat tr, .heat tbody tr:not(.group) {{ display: table-row; border: 0; padding: 0; }}
  .heat td, .heat th, .heat tbody th[scope=row] {{ display: table-cell; padding: .12rem .35rem; }}
  .heat td {{ text-align: right; }}
  .heat td:first-child {{ position: static; }}
}}
@media print {{
  .heat {{ max-height: none; overflow: visible; }}
  .heat td, .glance, .legend li {{ print-color-adjust: exact; -webkit-print-color-adjust: exact; }}
  .told {{ display: none; }}
}}
"""

# Without it the numbers are there all the same; with it a cell also says its time.
SCRIPT = """
const heats = JSON.parse(document.getElementById("numbers").textContent);
const scales = [[1, "s"], [1e-3, "ms"], [1e-6, "\\u00b5s"], [1e-9, "ns"]];
function shown(value, unit) {
  if (unit !== "s") return value.toFixed(1) + " " + unit;
  const scale = scales.find(each => value >= each[0]) || scales[3];
  return Number((value / scale[0]).toPrecision(3)) + " " + scale[1];
}
function tell(cell, row) {
  const table = cell.closest("table"), heat = heats[table.dataset.heat];
  const head = cell.parentNode.cells[0], column = cell.cellIndex - 1;
  const name = (head.querySelector("a") || head.firstChild).textContent.trim();
  const ratio = cell.textContent.replace(/[^0-9.e+-]/g, "");
  const lacking = cell.matches(".none, .reason");
  const parts = [name + ": " + table.tHead.rows[0].cells[column + 1].textContent];
  parts.push(lacking ? "no figure" : ratio + " times as long as " + heat.than);
  heat.more.forEach(([what, unit], i) => {
    const value = heat.numbers[row] && heat.numbers[row][i] && heat.numbers[row][i][column];
    if (value != null) parts.push(what + " " + shown(value, unit));
  });
  cell.closest("section").querySelector(".told").textContent = parts.join("; ");
}
function rowOf(line) { return line.sectionRowIndex + Number(line.closest("table").dataset.first); }
function at(cell) {
  if (cell && cell.matches(".heat td:not(.reason)")) tell(cell, rowOf(cell.parentNode));
}
document.querySelectorAll(".heat table").forEach(table => {
  const first = table.querySelector("td:not(.reason)");
  if (first) first.tabIndex = 0;
  table.addEventListener("mouseover", event => at(event.target.closest("td")));
  table.addEventListener("focusin", event => at(event.target.closest("td")));
  table.addEventListener("click", event => {
    const cell = event.target.closest("td:not(.reason)");
    if (cell) { cell.tabIndex = -1; cell.focus(); }
  });
  table.addEventListener("keydown", event => {
    const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};
    const [down, right] = step[event.key] || [];
    if (down === undefined || !event.target.matches("td")) return;
    event.preventDefault();
    const cell = event.target, body = table.tBodies[0].rows;
    let row = cell.parentNode.sectionRowIndex + down;
    while (down && body[row] && body[row].querySelector(".reason")) row += down;
    const next = body[row] && body[row].cells[cell.cellIndex + right];
    if (next && next.matches("td")) { next.tabIndex = -1; next.focus(); }
  });
});
document.querySelectorAll(".glance").forEach(image => {
  const order = image.dataset.order.split(",").map(Number), lines = [];
  document.querySelectorAll(`.heat table[data-heat="${image.dataset.heat}"] tbody tr`).forEach(
    line => { lines[rowOf(line)] = line; });
  image.addEventListener("mousemove", event => {
    const box = image.getBoundingClientRect(), cases = Number(image.getAttribute("height"));
    const node = order[Math.floor((event.clientX - box.left) / box.width * order.length)];
    const row = Math.floor((event.clientY - box.top) / box.height * cases);
    const line = lines[node], cell = line && (line.cells[row + 1] || line.cells[1]);
    if (row >= 0 && row < cases && cell) tell(cell, node);
  });
});
"""
