"""Importing the package costs nothing and gives the right siblings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import executor

ROOT = Path(__file__).resolve().parents[3]


def python(code: str, *, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_importing_the_package_imports_nothing_that_a_call_may_not_need(tmp_path: Path) -> None:
    code = (
        "import sys; before = set(sys.modules); import executor; "
        "print(sorted(set(sys.modules) - before - {'__future__'}))"
    )

    done = python(code, path=tmp_path)

    assert done.stdout.strip() == "['executor', 'protocol', 'sandboxes']", done.stderr


def test_a_run_without_annotations_needs_neither_pydantic_nor_asyncio(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom executor import Supervisor\n"
        "with Supervisor(isolate='inline', cells=1) as s:\n"
        "    assert s.run('6 * 7', inputs={'a': 1}).value == 42\n"
        "print({'pydantic', 'asyncio', 'logging'} & set(sys.modules))"
    )

    done = python(code, path=tmp_path)

    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize("name", executor.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(executor, name).__doc__


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = executor.Nonsense


@pytest.mark.parametrize("name", ["protocol", "sandboxes"])
def test_a_package_in_the_way_of_ours_is_named(tmp_path: Path, name: str) -> None:
    intruder = tmp_path / name / "__init__.py"
    intruder.parent.mkdir()
    intruder.write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import executor"

    done = python(code, path=tmp_path)

    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: {intruder} is in the way")
    assert str(ROOT / name / "__init__.py") in last


def test_a_module_file_in_the_way_of_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "protocol.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import executor"

    done = python(code, path=tmp_path)

    assert f"ImportError: {tmp_path / 'protocol.py'} is in the way" in done.stderr
