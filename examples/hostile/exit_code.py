# Tries:  to pass for a run that met its deadline.
# Run:    cellblock run --json examples/hostile/exit_code.py
# Expect: exit, exit code 124; the verdict in the JSON tells it from a timeout
raise SystemExit(124)
