"""From the networks of all stages to what each agent runs by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from policies.contract.joint_spec import JointSpec


def controllers_of(
    config: Any, spec: JointSpec, signature: Callable[[Any], Any], actors: Sequence[Any]
) -> dict[Any, Any]:
    """A controller for each agent.

    Args:
        config: makes them, see `StagedConfig.make_controller`.
        spec: names the agents.
        signature: what goes into and comes out of an agent's controller, in physical units.
        actors: the networks of stage 1, 2, ...

    Returns:
        By agent.
    """
    signatures = {agent: dict(signature(agent)) for agent in spec.agents}
    if spec.full_state:
        whole = [entry for agent in spec.agents for entry in signature(agent)["state"]]
        for entries in signatures.values():
            entries["state"] = whole
    return {
        agent: config.make_controller(agent, signatures[agent], list(actors), i)
        for i, agent in enumerate(spec.agents)
    }
