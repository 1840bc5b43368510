"""Connect to a port of the host by TCP"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.HEARD,
    references=("CWE-918",),
    guest="""
import socket

socket.create_connection(("127.0.0.1", target["tcp"]), timeout=1).close()
""",
)
