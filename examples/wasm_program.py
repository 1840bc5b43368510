"""Runs a program written in another language: any WASI program, here one in C.

`wasm/tally.c` counts words. `wasm/build.sh` makes `wasm/tally.wasm` of it with clang; the result
lies beside it, so that no compiler is needed here. It runs under the same limits as Python code.
The command line does the same with `cellblock run examples/wasm/tally.wasm -- 3 < text`.

python examples/wasm_program.py
"""

from pathlib import Path

from executor import Limits, Supervisor

PROGRAM = Path(__file__).parent / "wasm" / "tally.wasm"
TEXT = "the owl and the pussycat went to sea in a beautiful pea green boat and the rest is known"


def main() -> None:
    """Count the words of a text, then see how the program's own errors come back."""
    with Supervisor() as supervisor:
        outcome = supervisor.run(module=PROGRAM, args=["2"], stdin=TEXT, limits=Limits(wall_s=5))
        print(outcome.verdict, outcome.exit_code)
        print(outcome.stdout, end="")

        outcome = supervisor.run(module=PROGRAM, args=["many"], stdin=TEXT)
        print(outcome.verdict, outcome.exit_code, outcome.stderr, end="")


if __name__ == "__main__":
    main()
