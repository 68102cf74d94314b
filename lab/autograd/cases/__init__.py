"""The lab's own gradient checks: every function that the course uses."""
