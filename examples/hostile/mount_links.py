# Tries:  to reach what lies outside a writable directory by making links to it.
# Run:    cellblock run -v ./data:/data examples/hostile/mount_links.py
# Expect: ok, exit code 0, and `held` for each attempt
import os


def read(path):
    with open(path) as file:
        return file.read()


ATTEMPTS = {
    "absolute symlink": lambda: (os.symlink("/etc/passwd", "/data/a"), read("/data/a")),
    "relative symlink": lambda: (os.symlink("../secret", "/data/b"), read("/data/b")),
    "symlink to a directory": lambda: (os.symlink("..", "/data/c"), read("/data/c/secret")),
    "hard link": lambda: (os.link("/data/../secret", "/data/d"), read("/data/d")),
    "rename inwards": lambda: (os.rename("/data/../secret", "/data/e"), read("/data/e")),
    "rename outwards": lambda: os.rename("/data/file", "/data/../moved"),
}
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
    except OSError as error:
        print("held:", name, type(error).__name__)
    else:
        raise SystemExit(f"escaped by {name}")
