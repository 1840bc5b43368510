"""`python -m executor.cli` is `cellblock`."""

from executor.cli.main import main

if __name__ == "__main__":
    main()
