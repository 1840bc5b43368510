"""Return an object that runs a command when it is unpickled"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-502", "CVE-2019-20477"),
    careless=True,
    result="result",
    guest="""
import os


class Bomb:
    def __reduce__(self):
        return os.system, (f"touch {target['dir']}/made",)


result = Bomb()
""",
)
