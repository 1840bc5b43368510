"""Connect to a port of the host by TCP over IPv6"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.HEARD,
    references=("CWE-918",),
    needs="ipv6",
    guest="""
import socket

socket.create_connection(("::1", target["tcp6"]), timeout=1).close()
""",
)
