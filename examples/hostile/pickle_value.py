# Tries:  to have the host unpickle, import or call something when it takes the result.
# Run:    cellblock run --json --result x examples/hostile/pickle_value.py
# Expect: exception, exit code 1: such a value cannot cross
class Bomb:
    def __reduce__(self):
        return (print, ("escaped",))


x = Bomb()
