# Tries:  to fill the host's memory, disk or terminal with output.
# Run:    cellblock run --stdout-limit 1000 examples/hostile/flood_stdout.py
# Expect: ok, exit code 0, and 1,000 bytes of output with a note that it was cut
for _ in range(100_000):
    print("x" * 99)
