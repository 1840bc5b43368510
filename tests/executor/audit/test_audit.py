"""The audit itself: attacks bite where they must, hold here, and harm nobody who runs it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from executor import Supervisor
from executor.audit import Attack, Configuration, Harm, Progress, Report, Status, audit
from executor.audit.catalogue import load
from executor.audit.judges import Seen, judge
from executor.audit.targets import VARIABLE, Surroundings, Targets
from executor.errors import Misuse

ROOT = Path(__file__).resolve().parents[3]
#: Attacks of which one takes a second or more are audited by the command, not by each test run.
SLOW = {"liveness", "memory", "cpu", "wall_time", "crash"}
CROWD = [
    name
    for name, entry in load().items()
    if entry.guarantee not in SLOW and not (entry.attack and entry.attack.harm is Harm.EXCESS)
]
ONE_OF_EACH_SLOW = [
    "liveness.burning", "memory.byte_array", "memory.host_by_log", "cpu.loop_catching_all",
    "cpu.fuel", "crash.bad_bytecode", "crash.exit", "wall_time.sleep",
    "wall_time.host_function_caught", "output.descriptor",
]  # fmt: skip
COMMAND = [sys.executable, "-m", "executor.cli", "audit"]


@pytest.fixture(scope="module")
def green() -> Report:
    return audit(attacks=[*CROWD, *ONE_OF_EACH_SLOW])


def test_every_attack_bites_where_its_wall_is_absent_and_none_bites_here(green: Report) -> None:
    wrong = [r for r in green.results if r.status not in (Status.HELD, Status.SKIPPED)]

    assert [(r.id, r.status, r.evidence, r.control_evidence) for r in wrong] == []
    assert green.ok
    assert len(green.results) == len({*CROWD, *ONE_OF_EACH_SLOW})


def test_evidence_says_what_was_seen_here_and_in_the_control(green: Report) -> None:
    for result in green.results:
        if result.status is Status.HELD:
            assert result.evidence.startswith("no harm (")
            assert result.control_evidence
            assert not result.control_evidence.startswith("no harm")


def test_an_audit_leaves_nothing_behind() -> None:
    with tempfile.TemporaryDirectory(prefix="cellblock-test-") as place:
        Path(place).chmod(0o755)  # the controls are another user's
        done = command("--attack", "files.append", "--attack", "network.unix_path", TMPDIR=place)

        assert done.returncode == 0, done
        assert os.listdir(place) == []


def test_the_environment_is_as_it_was_after_an_audit(green: Report) -> None:
    assert green.ok
    assert VARIABLE not in os.environ


def test_progress_is_told_once_for_each_attack() -> None:
    told: list[Progress] = []

    report = audit(attacks=["network.tcp", "secrets.environment"], progress=told.append)

    assert [p.done for p in told] == [1, 2]
    assert {p.result.id for p in told} == {r.id for r in report.results}
    assert {p.total for p in told} == {2}


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"only": ["fun"]}, "there is no guarantee 'fun'"),
        ({"attacks": ["files.none"]}, "there is no attack 'files.none'"),
        ({"kinds": ["docker"]}, "there is no kind 'docker'"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_is_attacked(
    asked: dict[str, list[str]], problem: str
) -> None:
    with pytest.raises(Misuse, match=problem):
        audit(**asked)  # type: ignore[arg-type]  # that is the point


# --- attacks that prove nothing ------------------------------------------------------------------
def folder_with(path: Path, guest: str) -> Path:
    (path / "files").mkdir()
    text = '"""Try."""\nfrom executor.audit import Attack, Harm\n'
    text += f"ATTACK = Attack(harm=Harm.SECRET, references=('CWE-22',), guest={guest!r})\n"
    (path / "files" / "mine.py").write_text(text)
    return path


def test_an_attack_that_never_bites_is_toothless_and_not_held(tmp_path: Path) -> None:
    report = audit(attacks=["files.mine"], folders=[folder_with(tmp_path, "print('tried')")])

    assert report.result("files.mine").status is Status.TOOTHLESS
    assert not report.ok


def test_a_secret_never_reaches_a_report(tmp_path: Path) -> None:
    """Not even where the guest puts it into its error, backwards, or in hexadecimal."""
    guest = (
        "text = open(target['file']).read()\n"
        "raise ValueError(text + ' ' + text[::-1] + ' ' + text.encode().hex())"
    )
    entry = load(folder_with(tmp_path, guest))["files.mine"]
    attack = entry.attack
    assert attack is not None
    with Surroundings() as around, Targets(around, attack) as targets:
        secret = targets.secret
        told = f"{secret} {secret[::-1]} {secret.encode().hex()}"
        finding = judge(attack, Seen(text=told, error=f"ValueError: {told}"), targets)

    assert finding.bit
    assert secret not in finding.evidence
    assert secret[::-1] not in finding.evidence
    assert secret.encode().hex() not in finding.evidence
    assert "the canary came out" in finding.evidence


def test_what_a_guest_prints_is_no_evidence() -> None:
    attack = Attack(harm=Harm.SECRET, guest="pass")
    with Surroundings() as around, Targets(around, attack) as targets:
        finding = judge(attack, Seen(text="a key of the host's that no audit knows"), targets)

    assert "key" not in finding.evidence


# --- configurations of a host's ------------------------------------------------------------------
def test_a_hole_in_what_a_host_gives_is_found(tmp_path: Path) -> None:
    def read(path: str) -> str:
        return Path(path).read_text()

    (tmp_path / "key").write_text("[signing]\nkey = 4711-0815\n")
    configuration = Configuration(
        supervisor=lambda kind: Supervisor(cells=1),
        options={"functions": {"read": read}, "mounts": [f"{tmp_path}:/data:ro"]},
        protect=(tmp_path / "key",),
        places=(tmp_path,),
    )

    report = audit(
        attacks=["files.given_functions_read", "files.given_mounts_read", "network.tcp"],
        configuration=configuration,
    )

    assert report.broken == ("files",)
    assert len(report.matrix[0].bitten) == 2
    assert "4711" not in json.dumps(report.to_plain())
    assert os.listdir(tmp_path) == ["key"]


def test_what_can_not_be_protected_is_said(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("x\n")
    for name, problem in (("short", "no line has 8 characters"), ("none", "No such file")):
        configuration = Configuration(protect=(tmp_path / name,))
        with pytest.raises(Misuse, match=problem):
            audit(attacks=["network.tcp"], configuration=configuration)


# --- the command ---------------------------------------------------------------------------------
def command(*argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *argv],
        cwd=ROOT,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_prints_the_table_writes_the_reports_and_exits_well(tmp_path: Path) -> None:
    page, suite = tmp_path / "report.html", tmp_path / "report.xml"

    done = command("--only", "network", "--html", str(page), "--junit", str(suite))

    assert done.returncode == 0, done
    assert done.stdout.startswith("guarantee")
    assert "network     holds" in done.stdout
    assert done.stdout.endswith("Every promise holds.\n")
    assert "\x1b" not in done.stdout + done.stderr
    assert "network.tcp" in page.read_text()
    assert "network.tcp" in suite.read_text()


def test_a_broken_promise_is_exit_code_1() -> None:
    done = command("--attack", "state.globals", "--without", "fresh sandbox", "--json")

    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert not found["ok"]
    assert found["matrix"][0]["bitten"] == ["state.globals"]
    assert found["without"] == ["fresh sandbox"]


def test_every_attack_is_listed() -> None:
    listed = json.loads(command("--list", "--json").stdout)

    assert len(listed) >= 150
    assert {"id", "guarantee", "title", "references", "control", "walls"} <= listed[0].keys()


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["--kind", "docker"], "--kind must be wasm, process, interpreter or all"),
        (["--only", "fun"], "there is no guarantee 'fun'"),
        (["--attack", "x.y"], "there is no attack 'x.y'"),
        (["--without", "glass"], "there is no wall 'glass'"),
        (["--html", "/no/such/place"], "--html cannot write"),
        (["file"], "cellblock audit takes no 'file'"),
    ],
)
def test_a_command_line_that_can_not_be_obeyed_is_one_line_and_exit_code_2(
    argv: list[str], problem: str
) -> None:
    done = command(*argv)

    assert done.returncode == 2
    assert problem in done.stderr
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


def test_on_a_terminal_the_table_is_drawn_while_it_goes_and_gone_afterwards() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "--attack", "network.tcp", "--attack", "state.codec"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        drawn = b""
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            drawn += piece
        assert process.stdout is not None
        found = process.stdout.read().decode()
    os.close(ours)

    assert process.returncode == 0
    assert b"0/1" in drawn  # before the first attack was judged
    assert drawn.rstrip().endswith(b"A")  # erased, and the cursor where it began
    assert found.startswith("guarantee")
    assert "\x1b" not in found
