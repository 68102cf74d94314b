"""Starts, finds and stops the lab's JupyterLab."""
