"""The submitter's end of the link: runs here what other machines compute. Start at `api`.

    api         `RemoteSupervisor`: the same facade as that of a supervisor with cells of its own
    isolate     starts the submitter in its isolate      shell     its sockets and its connection
    core        what becomes of each run, pure           requests  a run as it goes over the wire

Nothing of this is imported unless it is asked for.
"""
