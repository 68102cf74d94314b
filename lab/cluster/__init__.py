"""The speed tests on many nodes, through Slurm: one job a node, each with a file of its own."""
