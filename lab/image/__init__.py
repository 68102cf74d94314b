"""Builds the lab's image and proves that two builds are the same."""
