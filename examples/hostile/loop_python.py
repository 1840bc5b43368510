# Tries:  to hold the processor for ever with a loop in Python.
# Run:    cellblock run --timeout 0.5 examples/hostile/loop_python.py
# Expect: timeout, exit code 124
print("looping", flush=True)
while True:
    pass
