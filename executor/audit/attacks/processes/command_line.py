"""Read how a process of the host was started"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-214",),
    guest="""
with open(f"/proc/{target['host_pid']}/cmdline", "rb") as file:
    if file.read():
        print(target["claim"])
""",
)
