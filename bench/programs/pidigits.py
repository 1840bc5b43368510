"""Digits of pi: integers that grow."""


def digits(count):
    """Return so many digits."""
    found, q, r, t, k, n, limit = [], 1, 0, 1, 1, 3, 3
    while len(found) < count:
        if 4 * q + r - t < n * t:
            found.append(n)
            q, r, n = 10 * q, 10 * (r - n * t), 10 * (3 * q + r) // t - 10 * n
        else:
            r, n = (2 * q + r) * limit, (q * (7 * k) + 2 + r * limit) // (t * limit)
            q, t, k, limit = q * k, t * limit, k + 1, limit + 2
    return found


print("".join(str(digit) for digit in digits(420))[-20:])
