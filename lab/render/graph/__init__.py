"""Draws computational graphs as SVG, and as a page that steps through them."""
