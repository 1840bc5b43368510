# Tries:  to use more instructions than it was given, in little time.
# Run:    cellblock run --fuel 100_000_000 --timeout 60 examples/hostile/fuel.py
# Expect: fuel, exit code 123
print("burning", flush=True)
while True:
    pass
