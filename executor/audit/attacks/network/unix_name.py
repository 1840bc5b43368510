"""Connect to a Unix socket of the host by its abstract name"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.HEARD,
    references=("CWE-918", "CVE-2020-15257"),
    guest="""
import socket

socket.socket(socket.AF_UNIX).connect("\\0" + target["abstract"])
""",
)
