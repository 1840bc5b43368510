"""Act from a thread while the main thread sleeps"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-78",),
    guest="""
import threading


def act():
    import subprocess

    subprocess.run(["touch", target["dir"] + "/made"])


thread = threading.Thread(target=act)
thread.start()
thread.join()
""",
)
