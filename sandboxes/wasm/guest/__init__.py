"""What only the Wasm guest has beside `sandboxes.guest`: its entry, its snapshot, its refusals.

    app       entry of the component; wires the rest up and takes the snapshot
    loop      an asyncio event loop without sockets
    refusals  clear errors for what a sandbox has not
    packed    importer of the packed standard library and of packages
    settle    order of the snapshot, and what to run before it

Rule: `app`, `settle` and `packed.collect` need the build; the rest works in a native Python too.
"""
