"""Loop while the result is looked at"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-835", "CWE-502"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    result="result",
    guest="""
class Slow(list):
    def __iter__(self):
        while True:
            pass

    def __len__(self):
        while True:
            pass

    __reduce_ex__ = __getstate__ = __hash__ = __repr__ = __len__


class Slower:
    def __getattribute__(self, name):
        while True:
            pass


result = {"slow": [Slow()], "slower": Slower()}
result.get("slower").value
""",
)
