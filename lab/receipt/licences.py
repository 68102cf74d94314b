"""The licences of all packages as a page of text."""

from lab.records.receipt import Receipt

PAGE = "docs/licences.md"
_HEAD = """\
# Licences

Of every package in the images, in the package's own words, as `docker/receipt.json` has them.
`./inv build --receipt` writes this page. `tests/security/test_licences.py` says which are taken for
permissive, with the reason.

| licence | packages |
|---|---|
"""
_UNTOLD = "(the package names none)"


def licences_text(receipt: Receipt) -> str:
    """A table of licences with their packages, in Markdown; those of the cuda image alone are
    marked."""
    sets = [e for e in receipt.environments if e.platform != "any"]
    of_cpu = {p.name for e in sets if e.lock == "cpu" for p in e.packages}
    told = {(p.name, p.licence or _UNTOLD) for e in sets for p in e.packages}
    rows: dict[str, list[str]] = {}
    for name, licence in sorted(told):
        rows.setdefault(licence, []).append(name if name in of_cpu else f"{name} (cuda)")
    lines = [f"| {licence} | {', '.join(rows[licence])} |" for licence in sorted(rows)]
    return _HEAD + "\n".join(lines) + "\n"
