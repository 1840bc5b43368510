"""Connect with the C module below socket"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.HEARD,
    references=("CWE-918",),
    guest="""
import _socket

_socket.socket(_socket.AF_INET, _socket.SOCK_STREAM).connect(("127.0.0.1", target["tcp"]))
""",
)
