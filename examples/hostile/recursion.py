# Tries:  to overflow the stack under the interpreter, by calls in Python and in C.
# Run:    cellblock run examples/hostile/recursion.py
# Expect: ok, exit code 0: each attempt ends as an exception in the guest
def again():
    again()


nested = []
for _ in range(100_000):
    nested = [nested]

for attempt in (again, lambda: repr(nested), lambda: nested == [nested]):
    try:
        attempt()
    except (RecursionError, MemoryError) as error:
        print("held:", type(error).__name__)
# What is nested that deeply is also freed by recursion; take it apart instead.
while nested:
    nested = nested.pop()
