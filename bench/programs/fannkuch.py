"""Flips of permutations: short lists and integers."""


def most_flips(size):
    """Return the most flips that any permutation needs."""
    counts, most, sign = list(range(size)), 0, 1
    order = list(range(size))
    while True:
        flipped, flips = order[:], 0
        first = flipped[0]
        while first:
            flipped[: first + 1] = flipped[first::-1]
            flips += 1
            first = flipped[0]
        if flips > most:
            most = flips
        sign = -sign
        if sign < 0:
            order[0], order[1] = order[1], order[0]
            continue
        order[1], order[2] = order[2], order[1]
        for at in range(2, size):
            if counts[at]:
                counts[at] -= 1
                break
            counts[at] = at
            if at == size - 1:
                return most
            order.insert(at + 1, order.pop(0))


print(most_flips(8))
