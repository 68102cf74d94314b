"""What `inv bench --nodes --report FILE` writes: the cluster's page, and its nodes' own beside."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from lab.bench.results import load
from lab.errors import LabError
from lab.launch import Say, Wish
from lab.measure import make_pages
from lab.records.cluster import ClusterReport, Node
from lab.records.save import save, to_json
from lab.render.cluster_page.heats import ordered
from lab.render.cluster_page.page import cluster_page

# A page with its plots takes a second or two to draw.
MOST_PAGES = 32
_AT_ONCE = 8
RECORD = "cluster.json"


def write_report(report: ClusterReport, path: Path, where: Wish, say: Say) -> None:
    """Write the page, and a folder of the same name with its nodes' pages and the record.

    Of many nodes those that stand out have a page first.

    Args:
        report: what was made of a run.
        path: of the page; the folder is `NAME_files` beside it.
        where: what draws the plots.
        say: takes lines for people.

    Raises:
        LabError: it could not be written.
    """
    folder = path.with_name(f"{path.stem}_files")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise LabError(
            f"The folder {folder} cannot be made.",
            why=str(error.strerror),
            next_step="name another file: --report FILE",
        ) from error
    save(to_json(report), folder / RECORD)
    if where.engine == "auto":  # where the nodes' packages are already
        where = replace(where, engine="host", device="cpu")  # to draw takes no GPU
    beside = quote(folder.name)
    links = {name: f"{beside}/{page}" for name, page in _nodes(report, folder, where, say)}
    save(cluster_page(report, links, f"{beside}/{RECORD}"), path)


def _nodes(
    report: ClusterReport, folder: Path, where: Wish, say: Say
) -> Iterator[tuple[str, str]]:  # fmt: skip
    """Draw the nodes' pages; gives the name of each node that has one now, and of its page."""
    chosen = [node for node in ordered(report) if node.file is not None and node.cases]
    rest = iter(chosen[:MOST_PAGES])
    if chosen:
        more = f", those that stand out, of {len(chosen)}" if len(chosen) > MOST_PAGES else ""
        say(f"drawing the pages of {min(len(chosen), MOST_PAGES)} nodes{more} ...")
    while some := list(islice(rest, _AT_ONCE)):
        yield from _drawn(some, report, folder, where, say)


def _drawn(
    nodes: Sequence[Node], report: ClusterReport, folder: Path, where: Wish, say: Say
) -> Iterator[tuple[str, str]]:
    runs = []
    for node in nodes:
        try:
            runs.append((node.name, load(Path(report.folder) / str(node.file))))
        except LabError as error:
            say(f"no page of {node.name}: {error.why}")
    try:
        pages = make_pages([run for _, run in runs], where, say)
    except LabError as error:  # the cluster's own page needs no plots
        say(f"no pages of {', '.join(name for name, _ in runs)}: {error.why}")
        return
    for (name, _), page in zip(runs, pages, strict=True):
        if page is None:
            say(f"the page of {name} could not be drawn")
            continue
        file = f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.html"
        save(page, folder / file)
        yield name, file
