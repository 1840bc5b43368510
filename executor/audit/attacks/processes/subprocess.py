"""Run a program of the host"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-78",),
    guest="""
import subprocess

subprocess.run(["touch", target["dir"] + "/made"], check=True)
""",
)
