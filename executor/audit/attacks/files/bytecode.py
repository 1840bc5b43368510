"""Leave compiled code where the host imports from"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-94", "CWE-427"),
    guest="""
import py_compile

open(target["dir"] + "/module.py", "w").write("x = 1")
py_compile.compile(target["dir"] + "/module.py")
""",
)
