"""The `cellblock` command: a thin face over `executor.Supervisor`.

Start-up time is a promise (a one-shot run of a warm machine stays under 90 ms), so every module
here imports at its top only what costs nothing, and the rest inside the function that needs it.
"""
