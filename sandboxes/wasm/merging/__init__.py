"""The optimised guest: all core modules of its component merged into one, and that optimised.

    binary      numbers, names and sections of the binary form
    modules     core modules: their imports and exports, under other names
    components  a component: its parts, and where each core function really comes from
    plan        which module is linked to what, and what the component needs of them
    immortal    objects of the snapshot that no run has to count references to
    survey      the run that finds them
    waits       the module that cuts a guest's waits into short ones
    emit        the component again, with one module in the place of many
    binaryen    the tools, by npm
    build       all of it, in order

componentize-py links a dozen core modules at run time through tables that wasmtime has to fill at
each instantiation: some 5,000 entries, 0.6 ms. In one module the same calls are direct. Measured:
an instance in a fifth of the time, and guests that run an eighth faster.

Rule 1: what the component imports and exports stays as it was, so whoever loads it sees no
        difference.
Rule 2: a component of another shape than the one known here is refused, never guessed at.
"""
