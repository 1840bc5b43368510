"""Eight queens: recursion and lists of small integers."""


def place(size, row, columns, rising, falling):
    """Return in how many ways the rows from `row` on can be filled."""
    if row == size:
        return 1
    ways = 0
    for column in range(size):
        if column not in columns and row + column not in rising and row - column not in falling:
            ways += place(
                size,
                row + 1,
                [*columns, column],
                [*rising, row + column],
                [*falling, row - column],
            )
    return ways


print(place(9, 0, [], [], []))
