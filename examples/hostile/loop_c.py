# Tries:  to hold the processor inside one call of C code, where no Python instruction ends.
# Run:    cellblock run --timeout 0.5 examples/hostile/loop_c.py
# Expect: timeout, exit code 124
import itertools

print("looping", flush=True)
all(itertools.repeat(True))
