"""Have a host function read a file that it should not"""

from executor.audit import holes
from executor.audit.attack import Attack, Harm, Hole

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-73", "CWE-441"),
    hole=Hole(functions=holes.only(holes.read_any)),
    guest="""
import host

def offered():
    for name in dir(host):
        if name not in ("progress", "HostError", "ValueRefused") and not name.startswith("_"):
            yield name, getattr(host, name)


path = target["file"]
forms = (path, "../" * 40 + path.lstrip("/"), "file://" + path, path + "\\0.txt")
for name, function in offered():
    for form in (*forms, *(p for p in target["protected"])):
        for arguments in ((form,), ({"path": form},), (form, "r"), (1, form)):
            try:
                print(name, function(*arguments))
            except Exception:
                pass
""",
)
