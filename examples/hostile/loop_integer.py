# Tries:  one arithmetic operation that takes hours.
# Run:    cellblock run --timeout 0.5 examples/hostile/loop_integer.py
# Expect: timeout, exit code 124
print("multiplying", flush=True)
x = 3**3_000_000
while True:
    y = x * x
