"""A session without a terminal: a script of inputs, each with its own limits."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

type Cellblock = Callable[..., subprocess.CompletedProcess[bytes]]


def test_inputs_are_run_in_order_and_share_their_names(cellblock: Cellblock) -> None:
    script = b"x = 1\ndef f(y):\n    return x + y\n\nf(41)\nimport math\nmath.floor(2.5)\n"

    done = cellblock("repl", stdin=script)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"42\n2\n", b"")


def test_a_block_at_the_end_of_the_input_is_run(cellblock: Cellblock) -> None:
    assert cellblock("repl", stdin=b"if True:\n    print('ran')").stdout == b"ran\n"


def test_an_exception_shows_the_users_lines_alone_and_the_session_goes_on(
    cellblock: Cellblock,
) -> None:
    done = cellblock("repl", stdin=b"def f():\n    1/0\n\nf()\n'on'\n")

    text = done.stderr.decode()
    assert done.stdout == b"'on'\n"
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("ZeroDivisionError: division by zero\n")
    assert text.count("File ") == 2
    assert "_cellblock" not in text


def test_a_syntax_error_is_said_and_the_session_goes_on(cellblock: Cellblock) -> None:
    done = cellblock("repl", stdin=b"1 +* 2\n3\n")

    assert done.stdout == b"3\n"
    assert b"SyntaxError" in done.stderr


def test_no_name_of_ours_is_in_the_session(cellblock: Cellblock) -> None:
    done = cellblock("repl", stdin=b"[n for n in dir() if not n.startswith('__')]\n")

    assert done.stdout in (b"[]\n", b"['inputs']\n")


def test_an_input_that_meets_its_deadline_ends_and_the_session_begins_afresh(
    cellblock: Cellblock,
) -> None:
    script = b"x = 1\nwhile True: pass\n\n'x' in dir()\n"

    done = cellblock("repl", "--timeout", "0.3", stdin=script)

    assert done.returncode == 0
    assert done.stdout == b"False\n"
    assert b"(limit 0.3 s); the session begins afresh\n" in done.stderr


def test_reset_forgets_all_names(cellblock: Cellblock) -> None:
    done = cellblock("repl", stdin=b"x = 1\n:reset\n'x' in dir()\n")

    assert (done.stdout, done.stderr) == (b"False\n", b"")


def test_inputs_of_the_command_line_are_there_from_the_start(cellblock: Cellblock) -> None:
    done = cellblock(
        "repl", "--input", "n=3", "--env", "A=1", stdin=b"n\nimport os\nos.environ['A']\n"
    )

    assert done.stdout == b"3\n'1'\n"


def test_leaving_gives_the_guests_exit_code(cellblock: Cellblock) -> None:
    assert cellblock("repl", stdin=b"raise SystemExit(5)\n1\n").returncode == 5
    assert cellblock("repl", stdin=b"exit()\n1\n").stdout == b""
    assert cellblock("repl", stdin=b":quit\n1\n").stdout == b""


def test_an_unknown_command_is_answered(cellblock: Cellblock) -> None:
    done = cellblock("repl", stdin=b":rest\n:help\n")

    assert done.stderr == b"cellblock: no command :rest; see :help\n"
    assert b":reset" in done.stdout


def test_the_syntax_is_that_of_the_guest(cellblock: Cellblock) -> None:
    done = cellblock(
        "repl", stdin=b"try:\n    1/0\nexcept ValueError, ZeroDivisionError:\n    'new'\n\n"
    )

    assert (done.stdout, done.stderr) == (b"'new'\n", b"")
