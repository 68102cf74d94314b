"""Says what an installation of the lab is, and compares it with what it should be."""
