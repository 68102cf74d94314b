"""A notebook of one cell."""

import json


def notebook(code: str) -> str:
    """Its file's text."""
    cell = {
        "cell_type": "code", "id": "cell", "metadata": {}, "source": code, "outputs": [],
        "execution_count": None,
    }  # fmt: skip
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps(
        {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    )
