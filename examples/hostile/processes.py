# Tries:  to start programs, fork, signal the host and load machine code.
# Run:    cellblock run examples/hostile/processes.py
# Expect: ok, exit code 0, and `held` for each attempt
import os
import subprocess


def load_machine_code():
    import ctypes

    ctypes.CDLL(None)


ATTEMPTS = {
    "os.system": lambda: os.system("id"),
    "subprocess": lambda: subprocess.run(["/bin/sh", "-c", "id"], check=True),
    "fork": lambda: os.fork(),
    "exec": lambda: os.execv("/bin/sh", ["sh"]),
    "kill": lambda: os.kill(os.getppid(), 9),
    "ctypes": load_machine_code,
}
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
    except Exception as error:  # noqa: BLE001 - whatever the wall raises
        print("held:", name, type(error).__name__)
    else:
        raise SystemExit(f"escaped by {name}")
