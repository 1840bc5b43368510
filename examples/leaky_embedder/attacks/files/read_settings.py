"""Read the settings of our own service, with the key that signs its answers."""

from executor.audit import Attack, Harm, Hole


def leak(name):
    """Read whatever is named, as a careless host does: the attack must be seen to work once."""
    with open(f"reports/{name}") as file:
        return file.read()


ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-22",),
    guest="""
import host

for path in target["protected"]:
    name = path.rpartition("/")[2]
    for way in (lambda: host.read_report("../" + name), lambda: open("/project/" + name).read()):
        try:
            print(way())
        except Exception:
            pass
""",
    hole=Hole(functions={"read_report": leak}),
)
