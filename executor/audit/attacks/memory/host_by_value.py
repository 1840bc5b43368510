"""Fill the host's memory by a large result"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.GREW,
    references=("CWE-770", "CWE-789"),
    walls=(Limit.VALUE,),
    limits={"value_bytes": 1 << 20, "memory_bytes": "512MiB"},
    taken_bytes=40 << 20,
    result="result",
    guest="""
result = b"x" * (44 << 20)
""",
)
