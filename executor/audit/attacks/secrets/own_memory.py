"""Search the memory of our own process for the host's secrets"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-316", "CWE-244"),
    guest="""
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps:
        if "[stack]" in line or "[heap]" in line:
            begin, end = (int(part, 16) for part in line.split()[0].split("-"))
            memory.seek(begin)
            data = memory.read(end - begin)
            at = data.find(target["variable"].encode() + b"=")
            if at >= 0:
                print(data[at : at + 100])
""",
)
