"""Reach the function that runs commands through the import system"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-913", "CVE-2025-68668"),
    guest="""
loader = [
    cls for cls in object.__subclasses__() if cls.__name__ == "BuiltinImporter"
][0]
posix = loader().load_module("posix")
posix.system(f"touch {target['dir']}/made")
""",
)
