"""The speed tests: one file each, found by looking in this folder."""
