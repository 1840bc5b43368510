"""What runs a guest's code inside its sandbox, of whatever kind; `wire` says what it is asked.

    running   one run, from request to reply
    cells     source to code, and the value of a last expression
    failures  exceptions to text
    streams   standard output, error and input
    hostside  `import host`
    entries   `logging` to structured entries
    clock     processor time, and sleep where nothing else can interrupt it
    ports     the three calls out of the guest
    wire      requests, replies and calls as text

Rule 1: this runs in CPython 3.14 in WebAssembly and in the host's own Python, and imports of ours
        `protocol` alone.
Rule 2: all of this is inside the wall. A guest may read and change it, and gains nothing: the
        cell believes nothing that comes out.
"""
