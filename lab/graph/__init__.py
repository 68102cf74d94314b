"""Computational graphs as data: what a function computed, and how its gradient came about."""

from lab.graph.trace import trace

__all__ = ["trace"]
