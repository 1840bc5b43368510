# Tries:  to fill the disk under a directory that it may write to.
# Run:    cellblock run --files-limit 1MB -v ./scratch:/out examples/hostile/flood_files.py
# Expect: files, exit code 120
with open("/out/flood", "wb") as file:
    while True:
        file.write(bytes(100_000))
        file.flush()
