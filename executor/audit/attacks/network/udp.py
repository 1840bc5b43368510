"""Send a datagram to a port of the host"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.HEARD,
    references=("CWE-918",),
    guest="""
import socket

socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hello", ("127.0.0.1", target["udp"]))
""",
)
