"""A picture of the Mandelbrot set: complex numbers by hand."""


def steps(x, y, most):
    """Return after how many steps a point has left."""
    a = b = 0.0
    for n in range(most):
        a, b = a * a - b * b + x, 2 * a * b + y
        if a * a + b * b > 4.0:
            return n
    return most


print(sum(steps(-2 + i / 24, -1.2 + j / 20, 60) for i in range(72) for j in range(48)))
