"""Entry of the `cellblock` command. Launches the cell of a run, then imports everything else.

Rule 1: nothing is imported here but what the interpreter has loaded anyway: the cell's imports and
        ours take 50 ms each and are to take them at once, on two cores.
Rule 2: leave by `os._exit`: taking the interpreter down costs 10 ms, and a thread that is stuck on
        the user's terminal must not hold the exit code back.
"""

from __future__ import annotations

import os
import sys

#: Facade and loop are threads of one interpreter here and mostly wait for one another: with
#: Python's 5 ms, a run that they hand on five times takes 10 ms longer.
SWITCH_S = 0.0005
_NEEDS_CELL = ("run", "repl")
_ASKS_HELP = ("-h", "--help")


def main() -> None:
    """Run the command of `sys.argv`. Does not return."""
    argv = sys.argv[1:]
    open_missing_descriptors()
    sys.setswitchinterval(SWITCH_S)
    is_plain = not set(argv) & set(_ASKS_HELP) and not _names(argv, "--kind")
    if argv[:1] and argv[0] in _NEEDS_CELL and is_plain:
        from executor.loop.launch import launch_ahead

        jailed = sys.platform == "linux" and not _names(argv, "--jail")
        launch_ahead(jailed=jailed)
        if jailed and not _names(argv, "--image") and not _names(argv, "--fuel"):
            _begin_ahead()
    from executor.cli.commands import run_command

    os._exit(run_command(argv))


def _names(argv: list[str], flag: str) -> bool:
    """Return whether a flag is chosen; what it says is found out later."""
    variable = f"CELLBLOCK_{flag.removeprefix('--').upper()}"
    return variable in os.environ or any(word.startswith(flag) for word in argv)


def _begin_ahead() -> None:
    """Let the zygote load the base image and enter its jail while we import the rest."""
    from executor.loop.zygotes import begin_ahead
    from sandboxes.wasm.image import quick_path

    try:
        known = quick_path()
        if known is not None:
            begin_ahead(known.path)
    except Exception:  # noqa: BLE001, S110 - whatever it is, the real start will tell
        pass


def open_missing_descriptors() -> None:
    """Give descriptors 0 to 2 something to be, so that no socket of ours becomes one of them."""
    while True:
        fd = os.open(os.devnull, os.O_RDWR)
        if fd > 2:
            os.close(fd)
            return
        os.set_inheritable(fd, True)


if __name__ == "__main__":
    main()
