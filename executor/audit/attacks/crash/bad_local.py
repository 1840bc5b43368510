"""Run bytecode that reads a variable it does not have"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-125", "CWE-787"),
    guest="""
def function():
    one = 1
    return one


code = function.__code__
for number in range(80, 90):
    text = bytes([number, 200] * 40 + list(code.co_code))
    try:
        function.__code__ = code.replace(co_code=text, co_stacksize=1)
        function()
    except Exception:
        pass
""",
)
