"""Speed tests whose figures can be trusted: timer, sampling, statistics, peaks; cases/ one file
per test."""

from lab.bench.notebook import Measured as Measured
from lab.bench.notebook import measure as measure
