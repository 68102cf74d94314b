"""Gradient checks: `check(function, *inputs)` says whether a gradient is right, and if not, why."""

from lab.autograd.checker import check as check
from lab.autograd.declared import check_inputs as check_inputs
from lab.records.autograd import CheckReport as CheckReport
from lab.records.autograd import Finding as Finding
