"""One run: code and values in, a value and a verdict out.

python examples/one_shot.py
"""

from executor import Limits, Supervisor

CODE = """\
print("adding", len(numbers), "numbers")
sum(numbers)
"""


def main() -> None:
    """Run code that works, code that fails and code that never ends; this program survives all."""
    with Supervisor() as supervisor:
        outcome = supervisor.run(CODE, inputs={"numbers": [1, 2, 3.5]})
        print(outcome.verdict, outcome.value, repr(outcome.stdout))

        outcome = supervisor.run("1 / 0")
        assert outcome.error is not None
        print(outcome.verdict, outcome.error.name, outcome.error.message)

        outcome = supervisor.run("while True: pass", limits=Limits(wall_s=0.5))
        print(outcome.verdict)

        outcome = supervisor.run("bytearray(10**9)")
        print(outcome.verdict)

        print(supervisor.run("2 ** 100").unwrap())  # the value, or GuestError


if __name__ == "__main__":
    main()
