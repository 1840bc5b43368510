"""Attacks as data: for each wall, what it has to stop. Tests and audits run them.

    probe.py     what a probe is, and how it registers
    files.py, network.py, ...   the probes, by group
    body.py      what an attacked or attacking cell runs
    arena.py     makes the targets, runs one probe in one jail, judges from outside

A probe names the walls that stop it, each alone. So it is run with all of them down, where it must
bite; with each of them alone up, where it must not; and in the whole jail.

Rule 1: a probe attacks only what its arena made: files of a directory of its own, listeners on
        loopback, cells of the same zygote.
Rule 2: what could hit others (`kill(-1)`, a fork bomb) is bounded, and contained by a process
        namespace that no configuration takes down.
Rule 3: harm is judged from outside the cell wherever it shows there; where only the cell can know,
        its answer is taken, as it is our own code.
"""
