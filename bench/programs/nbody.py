"""Planets round a sun: floats in lists."""

BODIES = [
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 39.47],
    [4.84, -1.16, -0.10, 0.60, 2.81, -0.02, 0.037],
    [8.34, 4.12, -0.40, -1.01, 1.82, 0.008, 0.011],
    [12.89, -15.11, -0.22, 1.08, 0.86, -0.010, 0.0017],
    [15.37, -25.91, 0.17, 0.97, 0.59, -0.034, 0.0020],
]
PAIRS = [(BODIES[a], BODIES[b]) for a in range(5) for b in range(a + 1, 5)]


def advance(steps, dt):
    """Move all bodies."""
    for _ in range(steps):
        for a, b in PAIRS:
            dx, dy, dz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
            pull = dt / (dx * dx + dy * dy + dz * dz) ** 1.5
            to_b, to_a = b[6] * pull, a[6] * pull
            a[3] -= dx * to_b
            a[4] -= dy * to_b
            a[5] -= dz * to_b
            b[3] += dx * to_a
            b[4] += dy * to_a
            b[5] += dz * to_a
        for body in BODIES:
            body[0] += dt * body[3]
            body[1] += dt * body[4]
            body[2] += dt * body[5]


advance(3000, 0.01)
print(round(sum(body[0] for body in BODIES), 6))
