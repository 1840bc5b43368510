"""Read a file of the host by a traceback that quotes its first line"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-22", "CWE-209"),
    guest="""
import linecache

print(linecache.getline(target["file"], 1))
""",
)
