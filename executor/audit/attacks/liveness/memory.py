"""Starve heartbeats and deadlines by taking memory and giving it back"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.LATE,
    references=("CWE-400", "CWE-789"),
    guest="""
while True:
    room = bytearray(b"x") * (24 << 20)
    del room
""",
)
