"""Rename a file of a read-only mount"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-732", "RUSTSEC-2026-0188"),
    mount="ro",
    walls=(Limit.READ_ONLY,),
    guest="""
import os

os.rename(target["mount"] + "/file", target["mount"] + "/renamed")
""",
)
