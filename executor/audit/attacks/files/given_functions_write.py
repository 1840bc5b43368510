"""Have a host function write a file that it should not"""

from executor.audit import holes
from executor.audit.attack import Attack, Harm, Hole

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-73", "CWE-441"),
    hole=Hole(functions=holes.only(holes.write_any)),
    guest="""
import host

def offered():
    for name in dir(host):
        if name not in ("progress", "HostError", "ValueRefused") and not name.startswith("_"):
            yield name, getattr(host, name)


mark = "cellblock-audit-was-here"
path = target["dir"] + "/written"
for name, function in offered():
    for form in (path, "../" * 40 + path.lstrip("/")):
        given = ((form, mark), (form, mark.encode()), (form,), (mark, form), ({form: mark},))
        for arguments in given:
            try:
                function(*arguments)
            except Exception:
                pass
""",
)
