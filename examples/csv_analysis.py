"""Analyses a CSV file with code you do not trust: the data go in, a report and a chart come out.

Two ways to hand data over are shown: as a file the guest opens, and as a value that becomes one of
its globals. Neither gives it anything else of this machine.

python examples/csv_analysis.py [FILE.csv]
"""

import csv
import sys
from pathlib import Path

from executor import Limits, Supervisor

BY_FILE = '''\
"""Sum up sales by month; leave a table and a chart behind."""
import csv
from collections import defaultdict
from decimal import Decimal

totals = defaultdict(Decimal)
with open("sales.csv", newline="") as file:
    for row in csv.DictReader(file):
        totals[row["date"][:7]] += int(row["pieces"]) * Decimal(row["price"])

with open("by_month.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["month", "total"])
    writer.writerows(sorted(totals.items()))

highest = max(totals.values())
bars = [
    f'<rect x="{30 * at}" y="{100 - 100 * total / highest:.1f}" width="25"'
    f' height="{100 * total / highest:.1f}"><title>{month}</title></rect>'
    for at, (month, total) in enumerate(sorted(totals.items()))
]
with open("by_month.svg", "w") as file:
    file.write(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{30 * len(bars)}" height="100">'
        + "".join(bars)
        + "</svg>"
    )
dict(sorted(totals.items()))
'''
BY_VALUE = '''\
"""Which product brings in the most money?"""
from collections import Counter

income = Counter()
for row in rows:
    income[row["product"]] += int(row["pieces"]) * float(row["price"])
product, earned = income.most_common(1)[0]
f"{product}: {earned:.2f}"
'''
SALES = """\
date,product,pieces,price
2024-01-09,lamp,3,24.90
2024-01-17,chair,2,89.00
2024-01-30,lamp,1,24.90
2024-02-05,desk,1,249.00
2024-02-14,lamp,6,22.90
2024-02-28,chair,4,85.00
2024-03-03,chair,1,89.00
2024-03-19,lamp,2,24.90
"""


def main() -> None:
    """Analyse the file named on the command line, or a small one of our own."""
    data = Path(sys.argv[1]).read_text() if len(sys.argv) > 1 else SALES
    with Supervisor(limits=Limits(wall_s=10, files_bytes="1MB")) as supervisor:
        by_file = supervisor.run(BY_FILE, files={"sales.csv": data}, keep_files=True)
        if not by_file.ok:
            sys.exit(by_file.error.traceback if by_file.error else str(by_file.verdict))
        print(by_file.value)
        print(by_file.files["by_month.csv"].decode(), end="")
        print(f"by_month.svg has {by_file.files['by_month.svg'].count(b'<rect')} bars")

        rows = list(csv.DictReader(data.splitlines()))
        print(supervisor.run(BY_VALUE, inputs={"rows": rows}).unwrap())


if __name__ == "__main__":
    main()
