# Tries:  to sit out its deadline asleep, where no instruction is executed.
# Run:    cellblock run --timeout 0.5 examples/hostile/sleep.py
# Expect: timeout, exit code 124
import time

print("sleeping", flush=True)
time.sleep(3_600)
