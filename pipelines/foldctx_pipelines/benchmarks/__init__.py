"""Benchmarks: samples of published tasks, answered into a run folder, scored without a model."""
