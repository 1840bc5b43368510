# Tries:  to take memory slowly, piece by piece, for as long as there is any.
# Run:    cellblock run --memory 64MB examples/hostile/memory_leak.py
# Expect: memory, exit code 137
print("growing", flush=True)
pieces = []
while True:
    pieces.append(bytes(100_000))
