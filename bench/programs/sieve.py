"""Primes: a list that is written by slices, and one that is read."""

SIZE = 120000
flags = [True] * SIZE
for n in range(2, 347):
    if flags[n]:
        for multiple in range(n * n, SIZE, n):
            flags[multiple] = False
primes = [n for n in range(2, SIZE) if flags[n]]
print(len(primes), primes[-1])
