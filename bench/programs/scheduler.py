"""Programs that hand packets round: objects, inheritance, queues."""


class Program:
    """Takes packets and passes them on."""

    def __init__(self, number, after):
        self.number = number
        self.after = after
        self.queue = []
        self.seen = 0

    def step(self, programs):
        """Take one packet."""
        packet = self.queue.pop(0)
        self.seen += 1
        self.handle(packet, programs)

    def handle(self, packet, programs):
        """Do the work of this kind."""
        raise NotImplementedError


class Counter(Program):
    """Counts a packet down."""

    def handle(self, packet, programs):
        """Pass it on while something is left."""
        if packet["left"] > 0:
            packet["left"] -= 1
            programs[self.after].queue.append(packet)


class Doubler(Counter):
    """Does the same, and a sum."""

    def handle(self, packet, programs):
        """Add, then count."""
        packet["sum"] += sum(range(packet["left"] % 7))
        super().handle(packet, programs)


programs = [(Doubler if n % 2 else Counter)(n, (n + 1) % 6) for n in range(6)]
packets = [{"left": 400 + n, "sum": 0} for n in range(50)]
for n, packet in enumerate(packets):
    programs[n % 6].queue.append(packet)
busy = True
while busy:
    busy = False
    for program in programs:
        if program.queue:
            program.step(programs)
            busy = True
print(sum(p["sum"] for p in packets), [p.seen for p in programs])
