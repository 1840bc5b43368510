"""`examples/wasm/tally.wasm` is what its C source and build script give."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

BYTES_MAX = 200_000


def test_the_committed_program_is_small(examples: Path) -> None:
    assert (examples / "wasm" / "tally.wasm").stat().st_size <= BYTES_MAX


@pytest.mark.skipif(
    shutil.which("clang-16") is None or not Path("/usr/lib/wasm32-wasi").exists(),
    reason="needs the packages named in examples/wasm/build.sh",
)
def test_the_source_builds_to_a_program_that_behaves_like_the_committed_one(
    examples: Path, tmp_path: Path
) -> None:
    from executor import Supervisor

    built = tmp_path / "tally.wasm"
    subprocess.run(
        [examples / "wasm" / "build.sh"], env={**os.environ, "OUT": str(built)}, check=True
    )

    text = "a rose is a rose is a rose"
    with Supervisor() as supervisor:
        ours, fresh = (
            supervisor.run(module=program, args=["2"], stdin=text)
            for program in (examples / "wasm" / "tally.wasm", built)
        )
    assert ours.stdout == fresh.stdout == "     3 a\n     3 rose\n"
    assert ours.exit_code == fresh.exit_code == 0
