"""Every number that a link decides by."""

from __future__ import annotations

from executor.link.admission import Serving
from executor.link.wire import PREFIX, QUEUE
from protocol.links import LEASES_MAX
from protocol.structs import frozen

#: A submitter answers a claim within a round trip; one that does not is asked again, and then its
#: run goes back into the queue.
CLAIM_EVERY_S = 1.0
#: What a run waits in the queue that nobody answered for, by how often it was delivered.
BACK_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
#: Results whose submitter does not listen are kept for this long, and its runs go on for as long.
UNHEARD_S = 120.0
#: So long alone, where results that nobody takes keep a machine from taking runs.
UNHEARD_FULL_S = 20.0
#: Results of one tenant that may wait before its next runs are left to other machines.
RESULTS_MAX = LEASES_MAX // 4
#: A run that was delivered this often to machines, and whose submitter never listens, is dropped.
UNHEARD_DELIVERIES_MAX = 8
BEAT_S = 1.0
#: A pulse comes twice a second; without one for so long nothing is renewed.
PULSE_FRESH_S = 2.0
PULL_EXPIRES_S = 5.0
#: After a pull that the server refused, or ended too soon.
PULL_AGAIN_S = 0.25
#: A connection that lasted for so long was a good one.
STEADY_S = 5.0
#: Attempts to connect: the first at once, then from 0.1 s up to this, with jitter.
RETRY_MAX_S = 10.0
REPORT_S = 1.0
#: Requests in parts that are on their way here, or were offered, of all leases together.
FETCH_BYTES_MAX = 128 << 20
PAYLOAD_BYTES_MIN = 64 << 10


@frozen
class Settings:
    """What one link is.

    Args:
        machine: its name, new for each start of a supervisor.
        host: the name of the computer, for people.
        pid: of the host.
        serving: which runs it takes.
        slots: runs that it has at hand at once, those that wait for a cell included.
        lease_s: a run whose machine is silent for so long goes to another.
        give_up_s: without a connection for so long, it gives up.
        queue: the queue that it serves.
        prefix: of every subject.
        bucket: where machines are listed.
    """

    machine: str
    host: str
    pid: int
    serving: Serving
    slots: int
    lease_s: float
    give_up_s: float
    bucket: str
    queue: str = QUEUE
    prefix: str = PREFIX
