"""The code in docs/guide.md, read from top to bottom, prints what its comments say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMISE = re.compile(r"^\s*print\(.*\)  # (.*)$|^# (.*)$")


def promised(source: str) -> Iterator[str]:
    """Yield the lines that the comments behind and below `print` promise."""
    for line in source.splitlines():
        if match := PROMISE.match(line):
            yield match[1] or match[2]


def test_the_guide_prints_what_it_says(
    run_program: Callable[..., list[str]], tmp_path: Path
) -> None:
    source = "\n".join(BLOCK.findall(GUIDE.read_text()))
    program = tmp_path / "guide.py"
    program.write_text(source)

    expected = list(promised(source))
    assert len(expected) >= 10
    assert run_program(program) == expected
