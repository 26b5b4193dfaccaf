"""Benchmarks of speed, cost and faithfulness: presets and strategies side by side in one run."""
