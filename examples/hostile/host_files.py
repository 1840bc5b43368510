# Tries:  to read and write files of the host that nobody gave it.
# Run:    cellblock run examples/hostile/host_files.py
# Expect: ok, exit code 0, and `held` for each attempt
PATHS = ("/etc/passwd", "/proc/self/environ", "/root/.bashrc", "/tmp/cellblock-was-here", "../x")
for path in PATHS:
    for mode in ("r", "w"):
        try:
            with open(path, mode) as file:
                file.write("owned") if mode == "w" else file.read()
        except OSError as error:
            print("held:", mode, path, type(error).__name__)
        else:
            if path != "../x":
                raise SystemExit(f"escaped: {mode} {path}")
