"""Messages of the host and the link as events of the pool core."""

from __future__ import annotations

from executor.pool import PoolDefined, RunSubmitted
from protocol.messages import DefinePool, Submit
from sandboxes.cell_plan import image_bytes


def submitted(run_id: int, message: Submit) -> RunSubmitted:
    """Return the event of a run that was handed in."""
    return RunSubmitted(
        run_id=run_id,
        pool=message.pool,
        tenant=message.tenant,
        priority=message.priority,
        wall_s=message.wall_ms / 1_000,
        queue_s=message.queue_ms / 1_000,
        session=message.session,
    )


def defined(message: DefinePool, headroom_bytes: int) -> PoolDefined:
    """Return the event of a pool that is wanted; a cell may hold `headroom_bytes` beside guests."""
    return PoolDefined(
        message.pool,
        message.cells_max,
        message.spares,
        message.queue_max,
        rss_bytes_max=message.memory_bytes + image_bytes(message) + headroom_bytes,
        on_demand=message.on_demand,
        single_use=message.single_use,
        slots=message.slots,
    )
