"""Puts a table of contents in front of a text."""


def transform(text: str) -> str:
    """Return the text with a numbered list of its headings on top."""
    headings = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
    return "\n".join([*(f"{n}. {heading}" for n, heading in enumerate(headings, 1)), text])
