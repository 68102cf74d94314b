"""How a speed test's page looks, in light and dark, on paper and on a telephone."""

CSS = """
:root {
  color-scheme: light dark;
  --back: #f6f7f9; --card: #fff; --ink: #1b1f24; --muted: #57606a; --line: #d8dee4;
  --bar: #cfe3f3; --ok: #00614a; --warn: #7a4b00; --drift: #84316b; --bad: #b3261e;
  --none: #0b5b86;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #0f1318; --card: #171c23; --ink: #e4e8ec; --muted: #9aa5b1; --line: #313a45;
    --bar: #1d4560; --ok: #55d6ac; --warn: #f0b64d; --drift: #e8a3d2; --bad: #ff8f80;
    --none: #7cc4ee;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word;
}
main, header, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
footer { padding-bottom: 3rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .8rem; }
h3 { font-size: 1.05rem; margin: 1.2rem 0 .3rem; }
p { margin: .4rem 0; max-width: 48rem; }
a { color: var(--none); }
.muted, caption { color: var(--muted); }
.banner {
  border-left: 4px solid var(--warn); background: var(--card); padding: .6rem .9rem;
  margin: 1rem 0; max-width: none;
}
.counts { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; margin: 1rem 0 0; padding: 0; }
.counts li { list-style: none; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 1rem 0 0; padding: 0; }
nav li { list-style: none; }
.plain { list-style: none; padding: 0; }
.plain li { margin: .4rem 0; }
.verdict { font-weight: 600; white-space: nowrap; }
.verdict::before { content: "\\25CF\\00A0"; font-size: .8em; }
.ok, .faster { color: var(--ok); }
.not_converged, .inconclusive { color: var(--warn); }
.not_steady { color: var(--drift); }
.contaminated, .slower { color: var(--bad); }
.not_run, .same { color: var(--none); }
table {
  border-collapse: collapse; width: 100%; background: var(--card); font-size: .94rem;
  border: 1px solid var(--line); margin: .5rem 0 1rem;
}
caption { text-align: left; padding: .2rem 0; font-size: .9rem; }
th, td { padding: .34rem .6rem; text-align: left; vertical-align: top; font-weight: normal; }
.wide { overflow-x: auto; }
thead th { color: var(--muted); font-size: .85rem; border-bottom: 1px solid var(--line); }
tbody tr + tr { border-top: 1px solid var(--line); }
.group th { font-weight: 700; padding-top: .8rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
td:first-child { color: var(--muted); }
.bar {
  display: inline-block; min-width: 5.5rem; padding: 0 .3rem; border-radius: 3px;
  background: linear-gradient(90deg, var(--bar) var(--part), transparent var(--part));
  border: 1px solid var(--line);
}
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: .5rem 0; }
dt { color: var(--muted); }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.plots { columns: 2 25rem; column-gap: 1.2rem; }
figure {
  break-inside: avoid; margin: 0 0 1.2rem; padding: .9rem .9rem .7rem;
  background: #fff; color: #1b1f24;
  border: 1px solid var(--line); border-radius: 6px; --muted: #57606a;
}
figure svg { display: block; width: 100%; max-width: 40rem; height: auto; margin: 0 auto; }
figure svg path, figure svg use { stroke-linecap: butt; }
figcaption { font-weight: 700; margin-bottom: .4rem; }
figure p { font-size: .88rem; color: #57606a; }
.key { columns: 2 11rem; margin: .5rem 0 0; padding: 0; font-size: .88rem; }
.key li { list-style: none; break-inside: avoid; padding-left: 2em; text-indent: -2em; }
.key b { display: inline-block; width: 2em; text-indent: 0; }
.cases { display: block; margin-left: 1.1rem; font-size: .92rem; }
@media screen and (max-width: 52rem) {
  main, header, footer { padding-left: .75rem; padding-right: .75rem; }
  table, tbody, caption, tr, td, th { display: block; }
  thead {
    position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden;
  }
  table { border: 0; background: none; }
  tbody tr { border: 1px solid var(--line); border-radius: 6px; background: var(--card); }
  tbody tr + tr { margin-top: .5rem; }
  tbody tr.group { border: 0; background: none; }
  tbody tr { padding: .4rem .7rem; }
  td, th { padding: .08rem 0; text-align: left; }
  tbody tr:not(.group) {
    display: grid; grid-template-columns: 1fr 1fr; column-gap: 1.4rem; position: relative;
  }
  td, tbody th { grid-column: 1 / -1; }
  td.number { grid-column: auto; }
  tbody th[scope=row] { font-weight: 600; padding-left: 2rem; }
  td:first-child { position: absolute; left: .7rem; top: .4rem; }
  td[data-label]:not(:first-child) {
    display: flex; gap: .6rem; justify-content: space-between;
  }
  td[data-label]:not(:first-child):not(.number) { justify-content: start; }
  td[data-label]:not(:first-child)::before {
    content: attr(data-label); color: var(--muted); font-size: .88rem; flex: none;
    max-width: 9rem;
  }
  td:empty { display: none !important; }
  .bar { min-width: 4.5rem; text-align: right; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
  figure { padding: .6rem .4rem; }
}
@media screen and (max-width: 23rem) {
  tbody tr:not(.group) { grid-template-columns: 1fr; }
}
@media print {
  :root {
    color-scheme: light; --back: #fff; --card: #fff; --ink: #000; --muted: #444; --line: #bbb;
    --bar: #d5e6f3; --ok: #00614a; --warn: #7a4b00; --drift: #84316b; --bad: #b3261e;
    --none: #0b5b86;
  }
  html { font-size: 9.5pt; }
  body { font-size: 1rem; }
  table { font-size: .9rem; }
  th, td { padding: .2rem .4rem; }
  .bar { min-width: 4rem; }
  main, header, footer { max-width: none; padding: 0; }
  nav, .screen { display: none; }
  h2, h3, caption, figcaption { break-after: avoid; }
  tr, figure, .banner { break-inside: avoid; }
  .bar { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

# The record is in the page already: the link gives it as a file, without a second copy.
SCRIPT = """
const link = document.getElementById("download");
const text = document.getElementById("record").textContent;
link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
link.hidden = false;
"""
