# Tries:  a regular expression that backtracks for longer than the universe has existed.
# Run:    cellblock run --timeout 0.5 examples/hostile/loop_regex.py
# Expect: timeout, exit code 124
import re

print("matching", flush=True)
re.match(r"(a+)+$", "a" * 64 + "b")
