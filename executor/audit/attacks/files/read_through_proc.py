"""Read a file of the host through the root link of /proc/self"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-22", "CVE-2019-5736"),
    guest="""
with open("/proc/self/root" + target["file"]) as file:
    print(file.read())
""",
)
