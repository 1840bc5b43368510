"""Send a log entry to a port of the host"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.HEARD,
    references=("CWE-918",),
    guest="""
import logging.handlers

handler = logging.handlers.DatagramHandler("127.0.0.1", target["udp"])
logging.getLogger("spy").addHandler(handler)
logging.getLogger("spy").error("hello")
""",
)
