"""Many speed tests' pages in one process: matplotlib takes longer to load than to draw one.

`python -m lab.render.bench.pages` reads a report's JSON from each line, and writes a line for each:
its page as a JSON string, or null where it could not be drawn.
"""

import sys
import traceback

import msgspec

from lab.records.bench import BenchReport
from lab.render.bench.page import page


def main() -> int:
    """Read reports from standard input, write their pages to standard output."""
    for line in sys.stdin.buffer:
        try:
            drawn = page(msgspec.json.decode(line, type=BenchReport))
        except Exception:  # a report's fault must not cost the others their pages
            traceback.print_exc()
            drawn = None
        sys.stdout.buffer.write(msgspec.json.encode(drawn) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
