"""What nodes measure between each other: collectives over torch.distributed, and pairs."""
