"""Guests in the cell's own Python: native code and speed, with the jail as the only wall.

    backend     makes sandboxes; what is shared by those of one cell
    preloading  what a zygote loads, so that cells find it after their jail is closed
    python      one guest: request, run, reply, limits
    stopping    ends a guest that does not end by itself
    files       the guest's working directory and mounts
    refusals    clear errors for what no cell can do

The guest runs in the process of its cell and can read and change all of ours that is in it. So a
cell serves one run, or one tenant; what it says is believed by nobody; and what must hold is held
by the kernel: the jail, its limits, and the kill.
"""
