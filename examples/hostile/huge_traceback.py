# Tries:  to flood the host through the text of an exception.
# Run:    cellblock run examples/hostile/huge_traceback.py
# Expect: exception, exit code 1, and a traceback that was clipped
def fail(depth):
    if depth:
        fail(depth - 1)
    raise ValueError("x" * 10_000_000)


fail(200)
