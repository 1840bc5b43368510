"""Read the environment that a process of ours was started with"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-526",),
    guest="""
with open("/proc/self/environ") as file:
    print(file.read())
""",
)
