"""Dicts and sets: inserting, looking up, deleting."""

table = {}
for n in range(40000):
    table[n * 7919 % 65537] = n
found = sum(1 for n in range(65537) if n in table)
names = {f"key{n}": n for n in range(8000)}
total = sum(names[f"key{n}"] for n in range(8000))
for n in range(0, 8000, 2):
    del names[f"key{n}"]
print(found, total, len(names), len(set(table) & set(range(30000))))
