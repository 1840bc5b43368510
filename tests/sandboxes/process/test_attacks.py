"""Guests that own their cell, by ctypes and by its socket: what they cost, and whom."""

from __future__ import annotations

import pytest

from executor import Supervisor, Verdict

#: Finds the cell's own code, as any guest can: through the frames below it.
OURS = """
import sys
frame = sys._getframe()
while frame.f_globals.get("__name__") != "sandboxes.cell":
    frame = frame.f_back
cell = frame.f_globals
"""
CRASHES = {
    "reads address 0": "import ctypes\nctypes.string_at(0)",
    "aborts": "import os\nos.abort()",
    "exits": "import os\nos._exit(0)",
    "makes a forbidden call": "import ctypes\nctypes.CDLL(None).syscall(101, 0, 0, 0, 0)\n"
    "ctypes.CDLL(None).syscall(321, 0, 0, 0)",
    "jumps into memory": "import ctypes\nkept = ctypes.create_string_buffer(b'\\xc3' * 4096)\n"
    "ctypes.CFUNCTYPE(None)(ctypes.addressof(kept))()",
    "closes its socket": "import os\nos.close(3)",
}
LIES = {
    "garbage": "os.write(3, b'x' * 100)",
    "a frame of no kind": "os.write(3, b'\\0\\0\\0\\0\\xff\\0\\0\\0' + bytes(8))",
    "a huge frame": "os.write(3, b'\\xff\\xff\\xff\\x7f\\x37\\0\\0\\0' + bytes(8))",
    "a message of the host": "os.write(3, b'\\x02\\0\\0\\0\\x01\\0\\0\\0' + bytes(8) + b'{}')",
    "half a frame": "os.write(3, b'\\x40\\0\\0\\0'); os._exit(0)",
    "a second greeting": "cell['Channel'](sock).send(cell['CellHello'](1, 1, 1))",
    "a ready in its run": "cell['Channel'](sock).send(cell['Ready'](1))",
    "an end of another run": "cell['Channel'](sock).send(Done(Verdict.OK), 10**6)",
}
#: Does not wait for what comes of it.
_LIE = """
import os, socket
sock = socket.socket(fileno=os.dup(3))
Done, Verdict = cell["RunAtHand"].done.__globals__["Done"], cell["Verdict"]
{lie}
while True: pass
"""


@pytest.mark.parametrize("code", CRASHES.values(), ids=CRASHES)
def test_a_guest_that_ends_its_cell_ends_its_own_run_alone(single: Supervisor, code: str) -> None:
    with single.session() as bystander:
        bystander.run("kept = 1")

        outcome = single.run(code, tenant=code, limits={"wall_s": 5})

        assert outcome.verdict in (Verdict.CRASHED, Verdict.TIMEOUT), outcome
        assert bystander.run("kept").value == 1
    assert single.run("6 * 7").value == 42


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_guest_that_speaks_for_its_cell_is_killed_for_it(single: Supervisor, lie: str) -> None:
    outcome = single.run(OURS + _LIE.format(lie=lie), tenant=lie, limits={"wall_s": 5})

    assert outcome.verdict is Verdict.CRASHED
    assert single.run("6 * 7").value == 42


def test_a_guest_that_answers_for_itself_has_told_its_host_no_more_than_it_may(
    single: Supervisor,
) -> None:
    code = f"""{OURS}
import os, socket
sock = socket.socket(fileno=os.dup(3))
Done, Verdict = cell["RunAtHand"].done.__globals__["Done"], cell["Verdict"]
run = frame.f_locals["run"]
cell["Channel"](sock).send(Done(Verdict.OK, value=0), run.run_id, [b"7"])
while True: pass
"""
    assert single.run(code, tenant="forger").value == 7
    assert single.run("6 * 7").value == 42


def test_a_guest_that_stops_its_interrupts_is_killed(single: Supervisor) -> None:
    code = """
import signal, sys
signal.signal(signal.SIGALRM, signal.SIG_IGN)
signal.setitimer(signal.ITIMER_REAL, 0)
sys.setswitchinterval(1000)
while True: pass
"""
    outcome = single.run(code, tenant="deaf", limits={"wall_s": 0.3})

    assert outcome.verdict is Verdict.TIMEOUT
    assert outcome.error is not None
    assert "killed" in outcome.error.message


def test_a_guest_that_catches_everything_is_interrupted_without_the_kill(
    single: Supervisor,
) -> None:
    code = """
while True:
    try:
        while True:
            pass
    except BaseException:
        continue
    finally:
        pass
"""
    outcome = single.run(code, limits={"wall_s": 0.3})

    assert outcome.verdict is Verdict.TIMEOUT
    assert outcome.error is None


def test_an_alarm_of_the_guests_own_is_no_deadline(single: Supervisor) -> None:
    code = """
import signal
signal.raise_signal(signal.SIGALRM)
told = []
signal.signal(signal.SIGALRM, lambda *_: told.append(1))
signal.raise_signal(signal.SIGALRM)
told
"""
    assert single.run(code).value == [1]


def test_a_guest_starts_no_process_by_any_call(single: Supervisor) -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
answers = []
for number in (57, 58, 59, 322):  # fork, vfork, execve, execveat
    answers.append((libc.syscall(ctypes.c_long(number), 0, 0, 0), ctypes.get_errno()))
answers
"""
    assert single.run(code).value == [(-1, 1)] * 4


def test_a_guest_that_is_native_finds_no_way_to_another_cell(single: Supervisor) -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
found = [os.getpid(), os.getppid()]
for pid in range(2, 200):
    if libc.kill(pid, 0) == 0:
        found.append(pid)
for path in ("/proc", "/dev", "/sys", "/etc"):
    try:
        found += os.listdir(path)
    except OSError:
        pass
found
"""
    with single.session() as other:
        other.run("1")
        assert single.run(code).value == [1, 0]


def test_a_guest_has_its_own_socket_and_what_measures_it_and_nothing_else_open(
    single: Supervisor,
) -> None:
    code = """
import os
found = []
for fd in range(3, 256):
    try:
        os.fstat(fd)
    except OSError:
        continue
    found.append(fd)
len(found)
"""
    # The cell's socket, three meters, its alarm, two ends of the pair that wakes its threads.
    assert single.run(code).value == 7
