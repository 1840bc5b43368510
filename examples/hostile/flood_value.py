# Tries:  to fill the host's memory with its result.
# Run:    cellblock run --value-limit 1000 --result x examples/hostile/flood_value.py
# Expect: value, exit code 122
x = ["a" * 1_000] * 1_000
