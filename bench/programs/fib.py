"""Calls of functions."""


def fib(n):
    """Return a Fibonacci number the long way."""
    return n if n < 2 else fib(n - 1) + fib(n - 2)


print(fib(25))
