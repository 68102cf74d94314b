"""The GPUs for people and for scrapers."""
