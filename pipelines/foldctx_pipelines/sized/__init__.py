"""Checkpoints of a published size with random weights: made, loaded by the real path, and read."""
