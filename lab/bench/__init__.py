"""Speed tests whose figures can be trusted: timer, sampling, statistics, peaks; cases/ one file
per test."""
