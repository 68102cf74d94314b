"""The nodes of a cluster as one page of HTML."""
