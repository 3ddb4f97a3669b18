"""The table of settings, in the configurations of all families."""

from __future__ import annotations

import math

import pytest

from policies import MADDPGConfig, MARDPGConfig
from policies.algorithms.registry import FAMILIES, new_config
from policies.algorithms.settings import SETTINGS, settings_of, shared_settings

ALL = [(family, name) for family in FAMILIES for name in settings_of(family)]


def default(setting):
    """As configurations hold it."""
    several = setting.several > 1 and setting.default is not None
    return list(setting.default) if several else setting.default


def example(setting):
    """A value that is no default; one number where several are taken."""
    if setting.kind is str:
        return next(choice for choice in setting.choices if choice != setting.default)
    if setting.kind is bool:
        return not setting.default
    return 0.125 if setting.kind is float else 7


def out_of_bounds(setting):
    """Values just outside, or of another kind."""
    if setting.kind is str:
        return ["nonsense", 1]
    if setting.kind is bool:
        return ["yes", 1]
    values = [math.nan, "much", setting.low - 1.0]
    if not setting.closed:
        values.append(setting.low)
    if setting.high < math.inf:
        values.append(setting.high if setting.below else setting.high + 0.5)
    if setting.kind is int:
        values.append(setting.low + 1.5)
    return values


@pytest.mark.parametrize("how", ["attribute", "training", "update_from_dict"])
@pytest.mark.parametrize(("family", "name"), ALL)
def test_every_setting_is_set_however_it_is_set(family, name, how):
    setting, config = settings_of(family)[name], new_config(family)
    value = example(setting)
    if how == "attribute":
        setattr(config, name, value)
    elif how == "training":
        assert config.training(**{name: value}) is config
    else:
        config.update_from_dict({name: value})
    held = getattr(config, name)
    assert held == ([value] if setting.several > 1 else value)
    assert held != default(setting)


@pytest.mark.parametrize("how", ["attribute", "training", "update_from_dict"])
@pytest.mark.parametrize(("family", "name"), ALL)
def test_what_is_out_of_bounds_is_refused_with_setting_value_and_bound(family, name, how):
    setting, config = settings_of(family)[name], new_config(family)
    before = getattr(config, name)
    for value in out_of_bounds(setting):
        with pytest.raises(ValueError) as refused:
            if how == "attribute":
                setattr(config, name, value)
            elif how == "training":
                config.training(**{name: value})
            else:
                config.update_from_dict({name: value})
        assert str(refused.value) == f"{name} is {value!r}, must be {setting.bounds}"
    assert getattr(config, name) == before


@pytest.mark.parametrize(("family", "name"), ALL)
def test_defaults_are_what_the_table_says(family, name):
    setting = settings_of(family)[name]
    held = getattr(new_config(family), name)
    assert held == default(setting)
    assert setting.words and setting.group


@pytest.mark.parametrize(("family", "name"), ALL)
def test_lists_hold_as_many_numbers_as_the_table_says(family, name):
    setting, config = settings_of(family)[name], new_config(family)
    value = example(setting)
    if setting.several == 1:
        with pytest.raises(ValueError, match=f"{name} is "):
            setattr(config, name, [value])
        return
    setattr(config, name, (value,) * setting.several)
    assert getattr(config, name) == [value] * setting.several
    for count in (0, setting.several + 1):
        with pytest.raises(ValueError, match=rf"{name} is .* 1 to {setting.several} number"):
            setattr(config, name, [value] * count)


@pytest.mark.parametrize(
    "set_it",
    [
        lambda config: config.stages(num_stages=2),
        lambda config: setattr(config, "num_stages", 2),
        lambda config: config.update_from_dict({"num_stages": 2}),
        lambda config: config.training(num_stages=2),
        lambda config: setattr(config, "rounds", 2),
        lambda config: setattr(config, "full_state", True),
        lambda config: config.training(full_state=True),
        lambda config: config.training(target_input="literal"),
        lambda config: setattr(config, "carry_critic", False),
        lambda config: config.training(critic_tau=0.1),
    ],
)
def test_a_setting_of_another_family_is_refused(set_it):
    with pytest.raises(ValueError, match="is no setting of MA-RDPG"):
        set_it(MARDPGConfig())
    set_it(MADDPGConfig())


def test_a_recurrent_setting_is_none_of_maddpgs():
    with pytest.raises(ValueError, match="memory_width is no setting of MADDPG"):
        MADDPGConfig().training(memory_width=8)
    assert MARDPGConfig().recurrence(memory_width=8).memory_width == 8


@pytest.mark.parametrize("method", ["training", "stages", "exploration"])
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("actr_lr", "actr_lr is no setting of MADDPG; did you mean actor_lr?"),
        ("update_per_episode", "update_per_episode is no .*; did you mean updates_per_episode?"),
        ("zzz", "zzz is no setting of MADDPG$"),
    ],
)
def test_an_unknown_name_is_refused_with_a_hint(method, name, line):
    with pytest.raises(ValueError, match=line.replace("?", r"\?")):
        getattr(MADDPGConfig(), method)(**{name: 1})


def test_families_divide_the_table():
    of = {family: set(settings_of(family)) for family in FAMILIES}
    assert set().union(*of.values()) == set(SETTINGS)
    assert set(shared_settings()) == {n for n, row in SETTINGS.items() if not row.families}
    assert all(set(shared_settings()) < names for names in of.values())
    assert "num_stages" in of["maddpg"] - of["ma-rdpg"]
    assert "num_rounds" in of["ma-rdpg"] - of["maddpg"]
