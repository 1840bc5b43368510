"""Connect with multiprocessing's client, which speaks pickle"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.HEARD,
    references=("CWE-918", "CWE-502"),
    guest="""
from multiprocessing.connection import Client

Client(target["unix"])
""",
)
