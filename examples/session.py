"""A session: names, functions and imports stay from one run to the next.

python examples/session.py
"""

from executor import Supervisor


def main() -> None:
    """Build up state, keep it through an error, drop it, and show that sessions are apart."""
    with Supervisor() as supervisor, supervisor.session() as session:
        session.run("visits = ['Oslo']")
        session.run("def visit(city): visits.append(city)")
        session.run("visit('Turin')")
        print(session.run("visits").value)

        failed = session.run("visit('Porto'); visit()")
        assert failed.error is not None
        print(failed.error.name)
        print(session.run("visits").value)  # an exception does not end a session

        with supervisor.session() as other:
            print(other.run("'visits' in globals()").value)

        session.reset()
        print(session.run("'visits' in globals()").value)


if __name__ == "__main__":
    main()
