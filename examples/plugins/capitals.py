"""Puts every heading of a text in capitals."""


def transform(text: str) -> str:
    """Return the text with its headings in capitals."""
    lines = text.splitlines()
    return "\n".join(line.upper() if line.startswith("#") else line for line in lines)
