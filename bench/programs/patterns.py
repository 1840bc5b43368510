"""Regular expressions over a log."""

import re

lines = [
    f"2026-01-{n % 28 + 1:02} host{n % 9} GET /items/{n}?page={n % 5} {200 + n % 4} {n * 37}b"
    for n in range(1500)
]
text = "\n".join(lines)
found = re.findall(r"(\d+-\d+-\d+) (host\d) GET (/\w+/\d+)\?page=(\d) (\d{3}) (\d+)b", text)
changed = re.sub(r"host(\d)", lambda match: f"h{int(match.group(1)) + 1}", text)
words = re.split(r"[ ?=/-]+", changed)
print(len(found), len(changed), len(words), sum(int(line[5]) for line in found))
