# Tries:  to keep the host busy with calls, and to go on when they are refused.
# Run:    Supervisor.run(code, functions={"add": add}, limits=Limits(host_calls=100))
# Expect: host_calls
import host

while True:
    try:
        host.add(1, 2)
    except Exception:  # noqa: BLE001 - going on is the attack
        continue
