"""One environment of the user's, made from a configuration."""

from __future__ import annotations

from typing import Any

from ray.rllib.env.env_context import EnvContext
from ray.tune.registry import ENV_CREATOR, _global_registry


def make_environment(config: Any, context: EnvContext) -> Any:
    """Make the environment that a configuration names.

    One that charges for what is measured out of bounds, and offers `without_penalty()`, does not
    charge where the algorithm prices the bounds itself.

    Args:
        config: Of an algorithm.
        context: What the environment is made from.

    Raises:
        ValueError: There is none, or it is not registered.
    """
    env = config.env
    if env is None:
        raise ValueError(
            "there is no environment: name one by .environment(...) of the configuration"
        )
    make = env
    if isinstance(env, str):
        if not _global_registry.contains(ENV_CREATOR, env):
            raise ValueError(
                f"environment {env!r} is not registered; import the module that "
                "registers it, or call ray.tune.register_env"
            )
        make = _global_registry.get(ENV_CREATOR, env)
    made = make(context)
    if config.constraint == "lagrangian" and hasattr(made, "without_penalty"):
        return made.without_penalty()
    return made
