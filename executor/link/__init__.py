"""Many machines share runs over NATS JetStream. Start reading at `core`.

wire       subjects, names, numbers            core       what a machine's link does next, pure
isolate    the thin shell round the core       admission  which requests a machine takes
options    `NatsLink`: how a machine joins     provision  streams and buckets, made and checked

Nothing of this is imported unless a link is asked for.
"""
