"""Read a file of the host with the import system's own loader"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-22", "CWE-829"),
    guest="""
import importlib.machinery

loader = importlib.machinery.SourceFileLoader("secret", target["file"])
print(loader.get_data(target["file"]))
""",
)
