"""Listen on a port, for others to be drawn to"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-605",),
    guest="""
import socket

with socket.socket() as listener:
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(target["claim"])
""",
)
