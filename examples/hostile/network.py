# Tries:  to reach the network, the host's own ports, and name servers.
# Run:    cellblock run --timeout 5 examples/hostile/network.py
# Expect: ok, exit code 0, and `held` for each attempt
import urllib.request


def connect(address):
    import socket

    socket.create_connection(address, timeout=1).close()


def resolve(name):
    import socket

    socket.getaddrinfo(name, 80)


ATTEMPTS = {
    "outside": lambda: connect(("192.0.2.1", 80)),
    "the host's own ports": lambda: connect(("127.0.0.1", 22)),
    "cloud metadata": lambda: urllib.request.urlopen("http://169.254.169.254/", timeout=1),
    "name server": lambda: resolve("example.com"),
}
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
    except Exception as error:  # noqa: BLE001 - whatever the wall raises
        print("held:", name, type(error).__name__)
    else:
        raise SystemExit(f"escaped to {name}")
