# Tries:  to find secrets in the host's environment and arguments.
# Run:    SECRET=hunter2 cellblock run examples/hostile/environment.py
# Expect: ok, exit code 0, and `held` for each attempt
import os
import sys

found = [f"{name}={value}" for name, value in os.environ.items()]
if any("hunter2" in entry for entry in found) or "PATH" in os.environ:
    raise SystemExit(f"escaped: {found}")
print("held: environment", found)
if len(sys.argv) != 1:
    raise SystemExit(f"escaped: {sys.argv}")
print("held: arguments", sys.argv)
