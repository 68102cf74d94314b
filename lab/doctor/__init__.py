"""Looks for every known cause of trouble: one check each, with the remedy."""
