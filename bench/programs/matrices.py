"""Products of matrices as lists of lists."""

SIZE = 50
a = [[(i * j) % 7 + 0.5 for j in range(SIZE)] for i in range(SIZE)]
b = [[(i + j) % 5 - 0.5 for j in range(SIZE)] for i in range(SIZE)]
for _ in range(2):
    columns = [[row[j] for row in b] for j in range(SIZE)]
    a = [
        [sum(x * y for x, y in zip(row, column)) % 11 for column in columns]  # noqa: B905 - a subset of Python runs it too
        for row in a
    ]
print(round(sum(sum(row) for row in a), 3))
