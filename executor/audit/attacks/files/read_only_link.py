"""Give a file of a read-only mount a second name"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-62", "RUSTSEC-2026-0188"),
    mount="ro",
    walls=(Limit.READ_ONLY,),
    guest="""
import os

os.link(target["mount"] + "/file", target["mount"] + "/second")
""",
)
