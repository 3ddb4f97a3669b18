"""Numbers that an environment gives, held against NaN and infinity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.contract.joint_spec import AgentID


def check_finite(
    kind: str, values: NDArray[Any], parts: Mapping[AgentID, slice], steps: NDArray[np.int64]
) -> None:
    """Refuse NaN and infinity, which memory and weights would take in without a word.

    Costs one look at the array while all is well.

    Args:
        kind: what the values are, such as "observation" or "reward".
        values: (B, width), a row per lane.
        parts: the columns of each agent; none where the values are those of the team.
        steps: (B,) steps of each lane since its reset, 0 at the reset itself.

    Raises:
        ValueError: naming the agent, the step and the lane of the first such number.
    """
    if np.isfinite(values).all():
        return
    lane, column = np.argwhere(~np.isfinite(values))[0].tolist()
    name = f"the team's {kind}[{column}]"
    for agent, part in parts.items():
        if part.start <= column < part.stop:
            name = f"agent {agent!r}: {kind}[{column - part.start}]"
    raise ValueError(
        f"{name} is {values[lane, column]} at step {steps[lane]} of lane {lane}, must be finite: "
        "mend or clip it in the environment"
    )
