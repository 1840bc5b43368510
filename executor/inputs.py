"""The inputs of a run: names that become a guest's globals, and values that can cross.

What is shared (`Supervisor.share`) costs a run nothing and counts for nothing here.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Final

from executor.errors import Misuse
from protocol.errors import ValueRefused
from protocol.values import Budget, Encoded, encode

#: Of one run, without what is shared: what one frame carries.
INPUTS_BYTES_MAX: Final = 256 << 20
_BUDGET: Final = Budget(bytes_max=1 << 40)


def encoded_inputs(inputs: Mapping[str, object]) -> Encoded:
    """Return inputs as bytes.

    Raises:
        Misuse: a name is none, a value cannot cross, or there is too much.
    """
    if not isinstance(inputs, Mapping):
        raise Misuse("inputs", f"must map names to values, not be a {type(inputs).__name__}")
    for name in inputs:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise Misuse(f"inputs[{name!r}]", "names become globals: use Python identifiers")
    given = inputs if type(inputs) is dict else dict(inputs)
    try:
        encoded = encode(given, root="inputs", budget=_BUDGET)
    except ValueRefused as error:
        raise Misuse(error.path, error.reason) from None
    if encoded.size_bytes > INPUTS_BYTES_MAX:
        from executor.shared import carried_bytes

        size_bytes = len(encoded.body) + carried_bytes(encoded.buffers)
        if size_bytes > INPUTS_BYTES_MAX:
            problem = f"{size_bytes} bytes are over {INPUTS_BYTES_MAX}"
            raise Misuse("inputs", f"{problem}; hand over what is large by Supervisor.share")
    return encoded
