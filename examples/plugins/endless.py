"""A bad one: it never comes back, and catches whatever would end it."""


def transform(text: str) -> str:
    """Never return."""
    while True:
        try:
            while True:
                text += ""
        except BaseException:  # noqa: BLE001 - that is its badness
            text += " "
