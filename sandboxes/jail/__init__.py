"""Kernel walls round a cell, one file each. `plan` decides, `enter` acts, `survey` looks.

    plan.py          what to do, in which order and why, as data; touches nothing
    enter.py         carries a plan out, decides nothing
    survey.py        what this machine gives, found by trying in a throw-away process
    probes/          attacks as data: what each wall has to stop

Rule 1: standard library and ctypes alone; everything is usable before the first thread.
Rule 2: most walls bind the calling thread only, so a jail is entered before a second one exists.
Rule 3: a wall that cannot be put up raises `JailUnavailable`; nothing is ever left out silently.
"""
