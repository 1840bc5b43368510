# Tries:  to sit out its deadline in a read of standard input that nobody feeds.
# Run:    sleep 5 | cellblock run --timeout 0.5 examples/hostile/block_on_input.py
# Expect: timeout, exit code 124
print("reading", flush=True)
input()
