"""Look up a name, which can carry data out"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-200",),
    guest="""
import socket

socket.gethostbyname("localhost")
print(target["claim"])
""",
)
