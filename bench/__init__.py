"""Measurements: `python -m bench` for all that is compared, and programs that print a table."""
