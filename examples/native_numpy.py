"""NumPy at native speed on data that is not copied: one buffer, many guests in fresh processes.

    python examples/native_numpy.py [COUNT]

COUNT measurements of a noisy wave are written once into a shared buffer. Each guest maps it, looks
at its own part through NumPy, and gives back a few numbers. The guests are native code behind the
kernel's walls: the last one tries to get out. Needs NumPy: pip install numpy
"""

from __future__ import annotations

import math
import random
import sys
from array import array

from executor import Image, Limits, Supervisor

PARTS = 4
ANALYSE = """
import numpy

waves = numpy.frombuffer(table).reshape(parts, -1)[part]  # nothing is copied
spectrum = numpy.abs(numpy.fft.rfft(waves))
spectrum[0] = 0
{"mean": float(waves.mean()), "period": round(len(waves) / int(spectrum.argmax()))}
"""
ESCAPE = """
import ctypes, socket

found = []
try:
    socket.create_connection(("127.0.0.1", 80))
except OSError as error:
    found.append(f"{type(error).__name__}: {error.strerror}")
libc = ctypes.CDLL(None, use_errno=True)
if libc.open(b"/etc/passwd", 0) < 0:  # past Python, straight to the kernel
    found.append("no such file")
found
"""


def measurements(count: int) -> array[float]:
    """Return a wave of period 50 around 2.0, with noise, as 8-byte floats."""
    rng = random.Random(7)
    wave = (2 + math.sin(2 * math.pi * n / 50) + rng.gauss(0, 0.5) for n in range(count))
    return array("d", wave)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    count -= count % (PARTS * 50)
    image = Image(preload=["numpy"])  # imported once; every guest finds it there
    limits = Limits(wall_s=30, memory_bytes="256MB")
    with Supervisor(image, kind="process", limits=limits) as supervisor:
        with supervisor.share(measurements(count)) as table:
            inputs = ({"table": table, "part": n, "parts": PARTS} for n in range(PARTS))
            for number, outcome in enumerate(supervisor.map(ANALYSE, inputs)):
                found = outcome.unwrap()
                assert isinstance(found, dict)
                print(f"part {number}: mean {found['mean']:.2f}, period {found['period']}")
        print(supervisor.run(ESCAPE).unwrap())


if __name__ == "__main__":
    main()
