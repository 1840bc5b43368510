"""What a zygote promises: cells that are warm, jailed, counted, and gone when it is."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from protocol.frames import FrameDecoder
from protocol.messages import Report
from protocol.reading import decode_frame
from sandboxes.jail.plan import CellWish, Strength
from sandboxes.jail.rlimits import Resources
from sandboxes.jail.root import Bind
from sandboxes.zygote import BODY_FAILED, JAIL_FAILED
from sandboxes.zygote_client import CellExited, CellNotForked, ZygoteGone
from tests.sandboxes.jail.conftest import MakeNest

ROOT = Path(__file__).resolve().parents[3]
GONE_WITHIN_S = 0.1
STRENGTHS: tuple[Strength, ...] = ("full", "light")


def is_gone(pidfd: int, within_s: float) -> bool:
    return bool(select.select([pidfd], [], [], within_s)[0])


def nspids(pid: int) -> list[int]:
    status = Path(f"/proc/{pid}/status").read_text()
    return [int(n) for n in re.search(r"NSpid:\s+(.*)", status)[1].split()]  # type: ignore[index]  # the kernel writes it


def children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_cell_answers_on_the_socket_it_was_given(nest: MakeNest, strength: Strength) -> None:
    made = nest(strength=strength)
    made.fork(1)

    assert made.hear(1) == b"hello"
    made.sockets[1].send(b"and again")
    assert made.hear(1) == b"and again"


def test_a_cell_is_the_only_process_it_can_name(nest: MakeNest) -> None:
    made = nest("report")
    cell = made.fork(1)

    pid, parent, uid, data_bytes, nice, host = made.hear(1).decode().split()

    assert (pid, parent) == ("1", "0")
    assert int(uid) == 65_534, "its user namespace knows nobody"
    assert int(data_bytes) == 256 << 20
    assert (nice, host) == ("5", "cell")
    assert len(nspids(cell.pid)) == 3, "ours, the zygote's, its own"


def test_the_pid_and_the_process_descriptor_name_the_same_cell(nest: MakeNest) -> None:
    made = nest()
    cell = made.fork(1)

    os.kill(cell.pid, signal.SIGKILL)

    assert is_gone(cell.pidfd, 5)
    assert made.wait(CellExited, 1).status == -signal.SIGKILL


def test_cells_of_one_zygote_do_not_share_a_process_namespace(nest: MakeNest) -> None:
    made = nest("report")
    cells = [made.fork(number) for number in (1, 2)]

    assert [made.hear(number).decode().split()[0] for number in (1, 2)] == ["1", "1"]
    assert cells[0].pid != cells[1].pid


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("exit_with_7", 7),
        ("crash", -signal.SIGSEGV),
        ("be_killed_by_the_filter", -signal.SIGSYS),
        ("raise_an_error", BODY_FAILED),
        ("work_and_exit", 0),
    ],
)
def test_the_end_of_a_cell_is_told_once_with_how_it_ended(
    nest: MakeNest, body: str, status: int
) -> None:
    made = nest(body)
    made.fork(1)

    assert made.wait(CellExited, 1).status == status
    assert made.fork(2).cell == 2
    assert not [e for e in made.events if isinstance(e, CellExited) and e.cell == 1]


def test_what_a_cell_used_is_told_with_its_end(nest: MakeNest) -> None:
    made = nest("work_and_exit")
    made.fork(1)

    ended = made.wait(CellExited, 1)

    assert ended.cpu_us >= 50_000
    assert ended.peak_memory_bytes >= 32 << 20


def test_a_body_that_raises_is_reported_on_the_cells_own_socket(nest: MakeNest) -> None:
    made = nest("raise_an_error")
    made.fork(1)

    (frame,) = FrameDecoder().feed(made.hear(1))

    assert decode_frame(frame)[0] == Report("RuntimeError: a body that fails")


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_cell_holds_its_own_descriptors_and_no_other(nest: MakeNest, strength: Strength) -> None:
    made = nest("descriptors", strength=strength)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(b"for the cell")
        made.fork(1)
        made.fork(2, more=(theirs.fileno(),))

    assert made.hear(1) == b"[0, 1, 2, 3] [] []"
    text = made.hear(2).decode()
    assert text.endswith("[b'for the cell']")
    assert len(text.partition("]")[0].split(",")) == 5


def test_what_was_opened_while_preloading_stays_open_in_cells(nest: MakeNest) -> None:
    made = nest("descriptors", preload="bodies:open_a_file")
    made.fork(1)

    assert made.hear(1).decode().startswith("[0, 1, 2, 3, 4]")


@pytest.mark.parametrize("limit", [4, 5])
def test_a_cell_has_as_many_threads_as_its_limit_and_not_one_more(
    nest: MakeNest, limit: int
) -> None:
    made = nest("count_threads")
    wish = CellWish(Resources(memory_bytes=256 << 20, threads_max=limit))
    for number in (1, 2, 3):
        made.fork(number, wish)

    assert [int(made.hear(number)) for number in (1, 2, 3)] == [limit - 1] * 3


def test_a_hundred_cells_wait_side_by_side_and_end_with_their_sockets(nest: MakeNest) -> None:
    made = nest()
    for number in range(1, 101):
        made.ask(number)
    for number in range(1, 101):
        assert made.hear(number) == b"hello"
    for number in range(1, 101):
        made.sockets[number].close()

    assert sorted(made.wait(CellExited).cell for _ in range(100)) == list(range(1, 101))


# --- what a zygote refuses -----------------------------------------------------------------------
def test_a_zygote_with_a_second_thread_never_starts(nest: MakeNest) -> None:
    made = nest(preload="bodies:start_a_thread", wait=False)

    assert "has 2 threads" in made.wait(ZygoteGone).cause


def test_a_zygote_whose_preloading_fails_says_why(nest: MakeNest) -> None:
    made = nest(preload="bodies:fail", wait=False)

    assert "no such image" in made.wait(ZygoteGone).cause


def test_a_mount_is_refused_by_a_zygote_without_a_view_of_the_hosts_files(
    nest: MakeNest, tmp_path: Path
) -> None:
    made = nest("files")
    made.ask(1, CellWish(Resources(1 << 28), binds=(Bind(str(tmp_path), "/data"),)))

    assert b"view of the host" in made.hear(1)


def test_the_light_jail_refuses_a_scratch_directory_and_goes_on(nest: MakeNest) -> None:
    made = nest(strength="light")
    made.ask(1, CellWish(Resources(1 << 28), writable_tmpfs_bytes=1 << 20))

    assert "needs the full jail" in made.wait(CellNotForked, 1).reason
    made.fork(2)
    assert made.hear(2) == b"hello"


def test_a_missing_wall_ends_the_cell_before_its_body(nest: MakeNest) -> None:
    made = nest(strength="light")
    made.ask(1, CellWish(Resources(1 << 28), binds=(Bind("/not/there", "/not/there"),)))

    assert b"RestrictFiles" in made.hear(1)
    assert made.wait(CellExited, 1).status == JAIL_FAILED


# --- who dies with whom --------------------------------------------------------------------------
@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("body", ["echo", "spin"])
def test_killing_the_zygote_ends_its_cells(nest: MakeNest, strength: Strength, body: str) -> None:
    made = nest(body, strength=strength)
    cells = [made.fork(number) for number in (1, 2, 3)]
    assert [made.hear(number) for number in (1, 2, 3)] == [b"hello"] * 3

    os.kill(made.client.pid, signal.SIGKILL)

    assert all(is_gone(cell.pidfd, 5) for cell in cells)
    assert "killed by signal 9" in made.wait(ZygoteGone).cause


HOST = """
import os, select, socket, sys
sys.path[:0] = [{root!r}, {here!r}]
from sandboxes.jail.plan import CellWish, Jail
from sandboxes.jail.rlimits import Resources
from sandboxes.zygote_client import CellForked, Recipe, ZygoteClient
jail = Jail(strength={strength!r}, uid=65_111 if os.getuid() == 0 else 0)
client = ZygoteClient.start(Recipe(jail, "bodies:spin", import_paths=({here!r},)))
sockets, pids = [], []
for number in (1, 2, 3):
    ours, theirs = socket.socketpair()
    client.fork_cell(number, CellWish(Resources(1 << 28)), theirs.fileno())
    sockets.append(ours)
while len(pids) < 3:
    select.select([client], [], [])
    pids += [event.pid for event in client.receive() if isinstance(event, CellForked)]
assert [sock.recv(99) for sock in sockets] == [b"hello"] * 3
print(client.pid, *pids, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("strength", STRENGTHS)
def test_killing_the_host_leaves_no_process_behind(strength: Strength) -> None:
    here = str(Path(__file__).resolve().parent)
    code = HOST.format(root=str(ROOT), here=here, strength=strength)
    in_time = [all_gone_after_the_host(code, within_s=GONE_WITHIN_S) for _ in range(3)]

    # Once in three is enough: a machine that is busy with other things may be late to run anybody.
    assert any(in_time)


def all_gone_after_the_host(code: str, *, within_s: float) -> bool:
    """Kill a host and return whether all it had started was gone in time."""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout is not None
        pids = [int(word) for word in host.stdout.readline().split()]
        pidfds = [os.pidfd_open(pid) for pid in {*pids, *children(pids[0])}]
        try:
            assert len(pids) == 4
            host.kill()
            until = time.monotonic() + within_s
            in_time = all(is_gone(pidfd, max(0.0, until - time.monotonic())) for pidfd in pidfds)
            assert all(is_gone(pidfd, 5) for pidfd in pidfds)
            return in_time
        finally:
            for pidfd in pidfds:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                os.close(pidfd)


def test_closing_the_client_ends_zygote_and_cells_and_is_idempotent(nest: MakeNest) -> None:
    made = nest("spin")
    cell = made.fork(1)

    made.client.close()
    made.client.close()

    assert is_gone(cell.pidfd, 5)
    assert made.client.receive() == []


def test_nothing_follows_the_end_of_a_zygote(nest: MakeNest) -> None:
    made = nest()
    os.kill(made.client.pid, signal.SIGKILL)
    made.wait(ZygoteGone)

    made.ask(1)

    assert made.client.receive() == []


# --- the client in a loop ------------------------------------------------------------------------
def test_requests_that_find_no_room_wait_and_are_sent_by_flush(nest: MakeNest) -> None:
    made = nest("exit_with_7")
    (zygote,) = children(made.client.pid)
    os.kill(zygote, signal.SIGSTOP)
    asked = 0
    while asked < 2_000 and not made.client.wants_write:
        asked += 1
        made.ask(asked)
        made.sockets.pop(asked).close()
    asked += 1
    made.ask(asked)
    os.kill(zygote, signal.SIGCONT)

    ended: list[int] = []
    while made.client.wants_write or len(ended) < asked:
        if made.client.wants_write:
            select.select([made.client], [made.client], [], 5)
            made.client.flush()
        ended.append(made.wait(CellExited).cell)

    assert 2 < asked < 2_000
    assert sorted(ended) == list(range(1, asked + 1))


def test_it_works_in_a_second_interpreter() -> None:
    here = str(Path(__file__).resolve().parent)
    inner = HOST.format(root=str(ROOT), here=here, strength="full").replace(
        "sys.stdin.read()", "client.close()"
    )
    code = f"import _interpreters as i; e = i.exec(i.create(), {inner!r}); assert e is None, e"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 4


def test_a_zygote_starts_with_an_empty_environment(nest: MakeNest) -> None:
    made = nest()

    assert Path(f"/proc/{made.client.pid}/environ").read_bytes() == b""


def test_no_wall_is_left_out_by_default(nest: MakeNest) -> None:
    made = nest()
    cell = made.fork(1)
    assert made.hear(1) == b"hello"
    status = Path(f"/proc/{cell.pid}/status").read_text()

    assert re.search(r"NoNewPrivs:\s+1", status)
    assert re.search(r"Seccomp:\s+2", status)
    assert re.search(r"CapBnd:\s+0+\n", status)
    assert re.search(r"CapPrm:\s+0+\n", status)


@pytest.mark.skipif(
    not Path("/proc/self/autogroup").exists(), reason="this kernel does not share time by session"
)
def test_all_cells_together_get_less_of_a_busy_machine_than_their_supervisor(
    nest: MakeNest,
) -> None:
    # For ordinary users the kernel allows one such change in 100 ms, on the whole machine; the next
    # zygote takes about as long to start.
    for _ in range(10):
        made = nest()
        groups = {Path(f"/proc/{made.fork(number).pid}/autogroup").read_text() for number in (1, 2)}
        assert len(groups) == 1, "a group for each cell would give each as much as the supervisor"
        if any(group.endswith(" nice 5\n") for group in groups):
            break

    assert groups.pop().endswith(" nice 5\n")
    assert Path("/proc/self/autogroup").read_text() not in groups


def test_a_cell_leads_a_process_group_in_a_session_without_a_terminal(nest: MakeNest) -> None:
    made = nest()
    cell = made.fork(1)
    made.hear(1)

    assert os.getpgid(cell.pid) == cell.pid
    assert os.getsid(cell.pid) == os.getsid(made.client.pid) == made.client.pid
    assert int(Path(f"/proc/{cell.pid}/stat").read_text().rpartition(")")[2].split()[4]) == 0
