"""A build report as text for a person."""

from lab.records.build import BuildReport


def build_text(report: BuildReport) -> str:
    """The lines that `build` prints; sizes in MB of 10^6 bytes."""
    size = "not known (older image store)"
    if report.compressed_bytes is not None:
        size = f"{report.compressed_bytes / 1e6:.0f} MB compressed"
    lines = [
        f"  image     {report.image}",
        f"  digest    {report.digest or 'not known (older image store)'}",
        f"  size      {size}",
        f"  base      {report.base or 'not known'}",
        f"  built in  {report.duration_s:.0f} s",
    ]
    if report.identical:
        lines.append("  identical two builds from nothing gave this digest")
    if report.archive:
        lines.append(f"  archive   {report.archive}")
    if report.sif:
        lines.append(f"  sif       {report.sif}, {(report.sif_bytes or 0) / 1e6:.0f} MB")
    if report.receipt:
        lines.append(f"  receipt   {report.receipt}")
        lines.append(f"  packages  {report.sbom}")
    return "\n".join(lines)
