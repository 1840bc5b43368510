# Tries:  to change a read-only directory, directly and through a writable one beside it.
# Run:    cellblock run -v ./data:/data:ro -v ./out:/out examples/hostile/mount_readonly.py
# Expect: ok, exit code 0, and `held` for each attempt
import os


def append_to(path):
    with open(path, "a") as file:
        file.write("changed")


ATTEMPTS = {
    "append": lambda: append_to("/data/file"),
    "create": lambda: append_to("/data/new"),
    "truncate": lambda: os.truncate("/data/file", 0),
    "remove": lambda: os.remove("/data/file"),
    "make a directory": lambda: os.mkdir("/data/sub"),
    "set times": lambda: os.utime("/data/file", (0, 0)),
    "hard link out": lambda: (os.link("/data/file", "/out/file"), append_to("/out/file")),
    "rename out": lambda: (os.rename("/data/file", "/out/moved"), append_to("/out/moved")),
    "rename in": lambda: (append_to("/out/x"), os.rename("/out/x", "/data/x")),
    "symlink": lambda: (os.symlink("/data/file", "/out/link"), append_to("/out/link")),
}
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
    except (OSError, AttributeError, NotImplementedError) as error:
        print("held:", name, type(error).__name__)
    else:
        raise SystemExit(f"escaped by {name}")
