"""List the interfaces of the host's network"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-200",),
    guest="""
import socket

if socket.if_nameindex():
    print(target["claim"])
""",
)
