"""Take memory until the kernel ends the process"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-400", "CWE-789"),
    guest="""
rooms = []
while True:
    try:
        rooms.append(bytearray(b"x") * (8 << 20))
    except MemoryError:
        import os

        os.abort()
""",
)
