"""Imports modules, each in a process of its own that has loaded nothing before but these few.

Names come on standard input, one a line. Each is answered by one line: all that is loaded then, or
nothing where the import failed, whose traceback is on standard error. To start Python takes longer
than most imports, so all fork from this one process. It has of the standard library what most
modules ask for, and nothing else.
"""

import dataclasses
import datetime
import decimal
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import typing
import uuid

SHARED = (
    dataclasses, datetime, decimal, json, pathlib, platform, subprocess, tempfile, typing, uuid,
)  # fmt: skip
ANSWERS = os.dup(1)
os.dup2(2, 1)  # what a module prints is no answer


def import_and_end(name: str) -> None:
    code = 1
    try:
        __import__(name)
        os.write(ANSWERS, f"{' '.join(sys.modules)}\n".encode())
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


for line in iter(sys.stdin.readline, ""):
    child = os.fork()
    if child == 0:
        import_and_end(line.strip())
    if os.waitpid(child, 0)[1] != 0:
        os.write(ANSWERS, b"\n")
