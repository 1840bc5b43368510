"""Send a datagram to a Unix socket of the host, as to its system log"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.HEARD,
    references=("CWE-117",),
    guest="""
import socket

socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"<0>forged", target["datagram"])
""",
)
