# Tries:  the same through standard error.
# Run:    cellblock run --stderr-limit 1000 examples/hostile/flood_stderr.py
# Expect: ok, exit code 0, and 1,000 bytes of errors with a note that they were cut
import sys

for _ in range(100_000):
    print("x" * 99, file=sys.stderr)
