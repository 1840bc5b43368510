# Tries:  to take a gigabyte at once.
# Run:    cellblock run --memory 64MB examples/hostile/memory.py
# Expect: memory, exit code 137
print("growing", flush=True)
x = bytearray(10**9)
