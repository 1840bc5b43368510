"""The supervisor loop: sockets, processes and timers that carry out what `executor.pool` decides.

It runs guest-free and pydantic-free, in an interpreter of its own, in a thread or in a process;
`executor.isolate` starts it, `executor.loop.main` is where it begins.
"""
