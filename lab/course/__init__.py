"""The course: notebooks in two languages from one source, exercises, and updates by cell."""

from lab.course.checking import check as check
from lab.course.merging import merge as merge
