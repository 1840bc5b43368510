"""Runs untrusted code: the public API, the supervisor behind it, the command line."""
