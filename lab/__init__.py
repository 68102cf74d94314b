"""A laboratory for PyTorch that is the same on every machine."""

from lab.seeding import seed as seed

__version__ = "0.1.0"
