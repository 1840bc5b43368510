"""Measurements, each a program of its own: `python -m bench.fresh_run` and the like."""
