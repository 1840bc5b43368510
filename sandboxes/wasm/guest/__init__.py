"""What runs inside the Wasm sandbox: CPython's side of `sandboxes.wasm.wire`.

    app       entry of the component; wires the rest up and takes the snapshot
    running   one run, from request to reply
    cells     source to code, and the value of a last expression
    failures  exceptions to text
    streams   standard output, error and input
    hostside  `import host`
    entries   `logging` to structured entries
    clock     sleep and processor time
    loop      an asyncio event loop without sockets
    refusals  clear errors for what a sandbox has not
    packed    importer of the packed standard library and of packages
    settle    order of the snapshot, and what to run before it
    ports     the three calls out of the guest

Rule 1: these modules also import and work in a native Python, where their tests run them; only
        `app`, `settle` and `packed.collect` need the build.
Rule 2: all of this is inside the wall. A guest may read and change it, and gains nothing: the
        cell believes nothing that comes out.
"""
