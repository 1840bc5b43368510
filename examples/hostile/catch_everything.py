# Tries:  to catch whatever ends it and go on.
# Run:    cellblock run --timeout 0.5 examples/hostile/catch_everything.py
# Expect: timeout, exit code 124
print("catching", flush=True)
while True:
    try:
        while True:
            pass
    except BaseException:  # noqa: BLE001 - catching it is the attack
        continue
    finally:
        continue  # noqa: B012 - as above
