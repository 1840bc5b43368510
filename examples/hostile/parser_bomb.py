# Tries:  to crash the compiler with source that is nested too deeply.
# Run:    cellblock run examples/hostile/parser_bomb.py
# Expect: ok, exit code 0: each attempt ends as an exception in the guest
for source in (
    "(" * 100_000,
    "-" * 100_000 + "1",
    "[" * 100_000 + "]" * 100_000,
    "a." * 100_000 + "b",
):
    try:
        compile(source, "bomb", "eval")
        print("compiled")
    except (SyntaxError, MemoryError, RecursionError) as error:
        print("held:", type(error).__name__)
