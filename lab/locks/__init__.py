"""The hash locks: renewing them, comparing them, installing from them."""
