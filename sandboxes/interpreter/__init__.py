"""Guests in interpreters of their own, side by side in one jailed process of one tenant.

    interpreters  the calls of CPython behind it: create, execute, interrupt, destroy
    lanes         the threads that guests run on
    sandbox       one guest: one interpreter and one socket pair
    backend       makes sandboxes, shares memory between them, says when the cell is used up
    blocks        that shared memory, owned by the main interpreter
    guest         the guest's side: what runs in the interpreter round the user's code
    shared        what a guest imports as `cellblock_shared`

Interpreters of one process separate modules, globals and the lock of the interpreter. They do not
separate trust: whoever has ctypes reads and writes the memory of all. So a cell of this kind serves
one tenant alone, and the jail round it is the wall.
"""
