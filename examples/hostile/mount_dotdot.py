# Tries:  to leave a directory that it was given by paths that lead up.
# Run:    cellblock run -v ./data:/data:ro examples/hostile/mount_dotdot.py
# Expect: ok, exit code 0, and `held` for each attempt
import os

for path in (
    "/data/../secret",
    "/data/../../../../etc/passwd",
    "/data/sub/../../secret",
    "/../etc/passwd",
):
    for attempt in (open, os.stat, os.listdir):
        try:
            attempt(path)
        except OSError as error:
            print("held:", attempt.__name__, path, type(error).__name__)
        else:
            raise SystemExit(f"escaped by {attempt.__name__} {path}")
