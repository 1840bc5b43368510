"""Records to JSON and back."""

import json

records = [
    {"id": n, "name": f"record {n}", "score": n / 7, "on": n % 2 == 0, "tags": ["a", "b"]}
    for n in range(2500)
]
for _ in range(2):
    text = json.dumps(records)
    records = json.loads(text)
print(len(text), records[-1]["id"])
