"""Connect to a Unix socket of the host by its path, as to a container engine's"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.HEARD,
    references=("CWE-918", "CWE-250"),
    guest="""
import socket

socket.socket(socket.AF_UNIX).connect(target["unix"])
""",
)
