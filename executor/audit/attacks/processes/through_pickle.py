"""Run a command of the host from inside a pickle of one's own"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-502", "CWE-78"),
    guest="""
import os
import pickle


class Bomb:
    def __reduce__(self):
        return os.system, (f"touch {target['dir']}/made",)


pickle.loads(pickle.dumps(Bomb()))
""",
)
