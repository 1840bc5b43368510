"""Every command answers; a command line that cannot be obeyed is one line and exit code 2."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from executor.cli import completion
from executor.cli.flags import FLAGS
from executor.cli.terminal import history_path, make_private
from executor.cli.version import VERSION

type Cellblock = Callable[..., subprocess.CompletedProcess[bytes]]

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_that_of_the_distribution(cellblock: Cellblock) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["version"] == VERSION
    assert cellblock("--version").stdout == f"cellblock {VERSION}\n".encode()


def test_the_script_of_the_distribution_is_this_command() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["scripts"]["cellblock"] == "executor.cli.main:main"


@pytest.mark.parametrize("argv", [["--help"], ["help"], ["run", "-h"], ["help", "image"]])
def test_help_goes_to_standard_output_and_is_no_failure(
    cellblock: Cellblock, argv: list[str]
) -> None:
    done = cellblock(*argv)

    assert done.returncode == 0
    assert done.stdout.startswith((b"cellblock", b"Usage:"))
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ([], "say what to do"),
        (["rnu"], "no command 'rnu'; did you mean run?"),
        (["pyproject.toml"], "to run the file: cellblock run pyproject.toml"),
        (["run"], "name a script"),
        (["run", "no/such.py"], "cannot read 'no/such.py': No such file or directory"),
        (["run", "-c", "1", "--timeout", "soon"], "--timeout must be seconds"),
        (["run", "-c", "1", "--memory", "64XB"], "--memory must be a size"),
        (["run", "-c", "1", "--input", "x=[1"], "--input x: not JSON"),
        (["run", "-c", "1", "-v", "nowhere"], "-v must be SRC:DST"),
        (["run", "-c", "1", "--file", "no-such"], "--file no-such: cannot read"),
        (["run", "-c", "1", "--result", "a b"], "--result must name a global"),
        (["run", "-c", "1", "--timout", "1"], "unknown option --timout; did you mean --timeout?"),
        (["run", "-c", "1", "--jail", "soft"], "--jail must be full, light, none, not 'soft'"),
        (["run", "-c", "1", "--kind", "vm"], "--kind must be wasm, process, interpreter, not 'vm'"),
        (["run", "-c", "1", "--preload", "re"], "--preload is for native Python; use --image"),
        (
            ["run", "-c", "1", "--kind", "process", "--fuel", "5"],
            "--fuel counts Wasm instructions; a process is bound by --timeout",
        ),
        (
            ["run", "-c", "1", "--kind=interpreter", "--image", "attrs"],
            "--image is for --kind wasm; name modules that are installed here by --preload",
        ),
        (
            ["run", "--kind", "process", "examples/wasm/tally.wasm"],
            "--kind process runs Python; a .wasm program needs --kind wasm",
        ),
        (["repl", "--preload", "re"], "--preload is for native Python"),
        (["repl", "x"], "cellblock repl takes no 'x'"),
        (["image"], "say what to do: cellblock image build"),
        (["completion", "csh"], "name one shell"),
        (["help", "nothing"], "no command 'nothing'"),
    ],
)
def test_a_bad_command_line_is_one_line_and_exit_code_2(
    cellblock: Cellblock, argv: list[str], text: str
) -> None:
    done = cellblock(*argv)

    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode().startswith("cellblock: ")
    assert text in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_a_closed_standard_output_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "executor.cli", "--help"],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        check=False,
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (141, b"")


def test_closed_descriptors_are_not_mistaken_for_ours() -> None:
    script = f"exec {sys.executable} -m executor.cli --version <&- 2>&-"
    done = subprocess.run(["sh", "-c", script], capture_output=True, cwd=ROOT, check=False)

    assert done.stdout == f"cellblock {VERSION}\n".encode()


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_completion_knows_each_command_and_flag(shell: str) -> None:
    text = completion.script(shell)

    for command in ("run", "repl", "image", "schema", "completion"):
        assert command in text
    if shell != "tcsh":  # shtab gives tcsh the flags of the first level alone
        for flag in FLAGS["run"]:
            assert flag.name in text


def test_completion_for_bash_is_bash(cellblock: Cellblock, tmp_path: Path) -> None:
    (tmp_path / "c.bash").write_bytes(cellblock("completion", "bash").stdout)
    script = (
        f"source {tmp_path}/c.bash; COMP_WORDS=(cellblock run --ti); COMP_CWORD=2; "
        "_shtab_cellblock; echo ${COMPREPLY[@]}"
    )

    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)

    assert done.stdout.strip() == b"--timeout"


def test_the_schema_is_json_schema(cellblock: Cellblock) -> None:
    done = cellblock("schema")

    assert done.returncode == 0, done.stderr
    assert "Run" in json.dumps(json.loads(done.stdout))


def test_the_history_is_private_to_its_user(tmp_path: Path) -> None:
    path = history_path({"XDG_STATE_HOME": str(tmp_path)})
    make_private(path)

    assert path.startswith(str(tmp_path))
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
    assert history_path({"CELLBLOCK_HISTORY": "/h"}) == "/h"


def test_the_documentation_names_every_flag_and_variable() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()

    for flag in FLAGS["run"]:
        assert f"`{flag.long}" in page or f"`--no-{flag.name}`" in page, flag.long
        assert not flag.variable or f"`{flag.variable}" in page, flag.variable


def test_the_way_to_a_cell_imports_nothing_costly() -> None:
    code = "import sys, executor.cli.main, executor.loop.launch; print(*sys.modules)"
    loaded = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}",
        ],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()

    assert not {"dataclasses", "enum", "typing", "re", "signal", "socket", "json"} & set(loaded)


def test_a_run_imports_none_of_the_costly_modules() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "executor.cli", "run", "-c", "print(1)"],
        capture_output=True,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert "executor.api" in loaded
    assert not loaded & {
        *("argparse", "asyncio", "concurrent.futures", "dataclasses", "importlib.metadata"),
        *("inspect", "logging", "pathlib", "pydantic", "shtab", "subprocess", "tempfile"),
        *("tqdm", "wasmtime"),
    }
