"""The spectral norm of a matrix without end: float arithmetic in comprehensions."""


def row(i, j):
    """Return an entry of the matrix."""
    return 1.0 / ((i + j) * (i + j + 1) // 2 + i + 1)


def times(vector, size):
    """Return the matrix and its transpose times a vector."""
    first = [sum(row(i, j) * vector[j] for j in range(size)) for i in range(size)]
    return [sum(row(j, i) * first[j] for j in range(size)) for i in range(size)]


SIZE = 60
u = [1.0] * SIZE
for _ in range(5):
    v = times(u, SIZE)
    u = times(v, SIZE)
top = sum(a * b for a, b in zip(u, v))  # noqa: B905 - a subset of Python runs it too
print(round((top / sum(b * b for b in v)) ** 0.5, 6))
