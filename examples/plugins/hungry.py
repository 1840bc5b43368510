"""A bad one: it eats memory until there is none."""


def transform(text: str) -> str:
    """Never return."""
    hoard = [text]
    while True:
        hoard.append(text * 10_000)
