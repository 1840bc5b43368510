"""Generators that feed each other."""


def walk(low, high):
    """Yield the middle numbers of halves."""
    if low < high:
        middle = (low + high) // 2
        yield from walk(low, middle)
        yield middle
        yield from walk(middle + 1, high)


def pairs(numbers):
    """Yield neighbours."""
    before = None
    for number in numbers:
        if before is not None:
            yield before, number
        before = number


print(sum(a * b for a, b in pairs(n for n in walk(0, 30000) if n % 3)))
