"""The pytest plugin: a host's own suite finds the hole in what that host gives to guests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LEAKY = ROOT / "examples" / "leaky_embedder"
CHOSEN = "given or settings or report or (read_by_path and wasm)"
HOLES = {
    "files.given_functions_read",
    "files.given_mounts_read",
    "files.given_mounts_write",
    "files.read_settings",
}
#: What our own suite is told must not reach the one that it starts.
_OURS = ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_PLUGINS")


def suite(path: Path, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in _OURS}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *argv],
        cwd=path,
        env=kept | environ,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def failed(done: subprocess.CompletedProcess[str]) -> set[str]:
    lines = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return {line.partition("[")[2].partition("-wasm]")[0] for line in lines}


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """The example, where a canary that it plants is in nobody's way."""
    return shutil.copytree(LEAKY, tmp_path / "leaky", ignore=shutil.ignore_patterns("__pycache__"))


def test_a_leaky_host_is_caught_by_its_own_suite(leaky: Path) -> None:
    done = suite(leaky, "--cellblock-audit", "-k", CHOSEN)

    assert done.returncode == 1, done.stdout + done.stderr
    assert failed(done) == HOLES
    assert "not-a-real-key" not in done.stdout + done.stderr


def test_the_same_host_written_with_care_passes(leaky: Path) -> None:
    done = suite(leaky, "--cellblock-audit", "-k", CHOSEN, CARE="1")

    assert done.returncode == 0, done.stdout + done.stderr


def test_without_the_option_a_suite_is_as_it_was(leaky: Path) -> None:
    done = suite(leaky, "--collect-only")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "cellblock-audit" not in done.stdout
    assert "2 tests collected" in done.stdout


def test_the_option_adds_a_test_for_each_attack_on_what_is_named(leaky: Path) -> None:
    done = suite(
        leaky, "--collect-only", "--cellblock-audit", "--cellblock-audit-only", "files,secrets"
    )

    assert "test_attack[files.mount_climb-wasm]" in done.stdout
    assert "test_attack[files.read_settings-wasm]" in done.stdout
    assert "test_attack[jail.descriptors.read_leaked-wasm]" in done.stdout
    assert "network" not in done.stdout


def test_a_test_of_ones_own_can_ask_for_guarantees(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "conftest.py").write_text(
        "import pytest\nfrom executor.audit import Configuration\n"
        "@pytest.fixture(scope='session')\n"
        "def isolation_configuration():\n"
        "    def run(text): import subprocess; return subprocess.getoutput('echo ' + text)\n"
        "    return Configuration(options={'functions': [run]})\n"
    )
    (tmp_path / "sub" / "test_it.py").write_text(
        "def test_it(isolation_audit):\n"
        "    report = isolation_audit.run('processes.given_functions_command', 'network.tcp')\n"
        "    assert report.broken == ('processes',)\n"
    )

    done = suite(tmp_path, "--cellblock-audit", "-k", "test_it or given_functions_command")

    assert failed(done) == {"processes.given_functions_command"}, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout


def test_loading_the_plugin_loads_nothing_heavy() -> None:
    code = "import sys, executor.audit.plugin; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"pydantic", "wasmtime", "executor.api", "executor.audit.auditing"} & set(loaded)
