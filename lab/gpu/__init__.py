"""What NVML says of the GPUs; the only room that calls it."""
