"""A chain of equations that is solved again and again: small objects, method calls."""


class Variable:
    """A number and what follows from it."""

    __slots__ = ("followers", "value")

    def __init__(self, value):
        self.value = value
        self.followers = []


class Scale:
    """Keeps one variable a multiple of another."""

    def __init__(self, source, target, factor, offset):
        self.source, self.target, self.factor, self.offset = source, target, factor, offset
        source.followers.append(self)

    def satisfy(self):
        """Set the target."""
        self.target.value = self.source.value * self.factor + self.offset
        return self.target


variables = [Variable(n) for n in range(900)]
for n in range(899):
    Scale(variables[n], variables[n + 1], 1, n % 3)
for number in range(80):
    variables[0].value = number
    todo = [variables[0]]
    while todo:
        todo.extend([constraint.satisfy() for constraint in todo.pop().followers])
print(variables[-1].value)
