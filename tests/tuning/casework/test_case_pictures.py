"""What the pictures of a case show, and that they come out whole."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from rllib_grid import Case, Feeder, UniformDemand, make_case
from rllib_grid.physics import lindistflow as power_flow
from tuning.casework import case_pictures
from tuning.drawing import one_line
from tuning.drawing.panels import tint
from tuning.judging import rules
from tuning.judging.actions import Actions, apply
from tuning.judging.evaluation import test_states as draw_states


@pytest.fixture(scope="module")
def bare():
    """Head - 1 - 2 - 4 and 1 - 3, buildings at nodes 2, 3 and 4 alone."""
    r_ohm, x_ohm = np.array([0.3, 0.6, 0.9, 1.2]), np.array([0.4, 0.8, 1.2, 1.6])
    feeder = Feeder("bare", (0, 1, 1, 2), r_ohm, x_ohm, bus_names=("a", "b", "c", "d"))
    feeder = Feeder(**{**feeder.to_dict(), "r_ohm": r_ohm, "x_ohm": x_ohm, "served": (2, 3, 4)})
    return Case(
        "bare", feeder, ((1, 3), (2,)), s_max_kva=90.0, demand=UniformDemand(limit_kw=200.0)
    )


@pytest.fixture(scope="module")
def done(bare):
    states = draw_states(bare, 60)
    nothing = np.zeros_like(states[0])
    best = rules.optimal_actions(bare, *states)
    return {
        rules.NO_CONTROL: apply(bare, *states, nothing, nothing),
        rules.TEAM_RULE: rules.team_actions(bare, *states),
        rules.TRAINED: apply(bare, *states, nothing + 5, nothing - 5),
        rules.OPTIMUM: best,
    }


def axes_of_a_figure():
    return Figure().add_subplot()


def test_distances_and_edges_by_hand(bare):
    """Branches of 0.5, 1, 1.5 and 2 ohm; bus 1 hangs on the head through a bare node."""
    assert case_pictures.distance_ohm(bare.feeder) == pytest.approx([1.5, 2.0, 3.5])
    assert case_pictures.bus_edges(bare.feeder) == [(-1, 0), (-1, 1), (0, 2)]


def test_loss_is_what_buildings_do_not_cost():
    case = make_case("ieee13-volt")
    states = draw_states(case, 20)
    actions = rules.team_actions(case, *states)
    total = states[0] + actions.p_ctrl_kw, states[1] + actions.q_ctrl_kvar
    expected = power_flow.loss_kw(case.feeder, case.v_head_pu, *total)
    assert case_pictures.loss_kw(case, actions) == pytest.approx(expected)


def test_voltages_of_a_panel(bare):
    """Five states of -2, -1, 0, 1 and 2 hundredths around 1.04: two are outside."""
    v_pu = 1.04 + 0.01 * np.arange(-2.0, 3.0)[:, None] * np.ones(3)
    v_pu = np.vstack([v_pu, np.full((1, 3), np.nan)])  # an infeasible state
    nothing = np.zeros((6, 3))
    actions = Actions(nothing, nothing, v_pu, np.array([1.0] * 5 + [np.nan]))
    axes = axes_of_a_figure()
    case_pictures._voltage_panel(axes, bare, actions, rules.OPTIMUM)
    outer, inner, median = axes.collections[:3]
    assert axes.get_title(loc="left") == "optimum: 20 % of states outside"
    band = np.array([[1.5, 1.022], [3.5, 1.022], [3.5, 1.058], [1.5, 1.058]])
    assert outer.get_paths()[2].vertices[:4] == pytest.approx(band)
    assert inner.get_paths()[2].vertices[1].tolist() == pytest.approx([3.5, 1.03])
    assert median.get_segments()[0] == pytest.approx(np.array([[0.0, 1.0], [1.5, 1.04]]))
    limits = [line.get_ydata()[0] for line in axes.lines]
    assert limits == [bare.v_min_pu, bare.v_max_pu]


def test_a_duration_curve_falls_from_the_largest_to_the_smallest():
    axes = axes_of_a_figure()
    case_pictures._duration(axes, np.array([3.0, 1.0, 2.0]), rules.TEAM_RULE)
    shares, values = axes.lines[0].get_data()
    assert (values[0], values[200], values[-1]) == (3.0, 2.0, 1.0)
    assert (shares[0], shares[200], shares[-1]) == (0.0, 50.0, 100.0)


def test_controls_of_a_bus_with_box_and_circle(bare, done):
    axes = axes_of_a_figure()
    case_pictures._control_panel(axes, bare, {rules.OPTIMUM: done[rules.OPTIMUM]}, 2)
    box, circle = axes.patches
    assert (box.get_x(), box.get_width(), box.get_height()) == (-105.0, 210.0, 210.0)
    assert circle.get_radius() == 90.0
    points = axes.collections[0].get_offsets()
    assert np.allclose(points[:, 0], done[rules.OPTIMUM].p_ctrl_kw[:, 2])
    assert np.allclose(points[:, 1], done[rules.OPTIMUM].q_ctrl_kvar[:, 2])
    assert axes.get_title() == "d, agent 0"


def test_all_pictures_are_written_the_same_each_time(bare, done, tmp_path):
    files = case_pictures.draw_rules(bare, done, tmp_path)
    assert [file.name for file in files] == ["voltages.png", "durations.png", "controls.png"]
    for file in files:
        picture = imread(file)
        assert picture.shape[1] == 960 and picture[..., :3].std() > 0.02
    case_pictures.draw_durations(bare, done, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == files[1].read_bytes()


def test_many_buses_show_some_of_their_controls():
    assert list(case_pictures._spread(3, 5)) == [0, 1, 2]
    assert case_pictures._spread(101, 5) == [0, 25, 50, 75, 100]


def test_one_line_names_buses_and_marks_what_has_no_building(bare, tmp_path, monkeypatch):
    figures = []
    real = one_line.save_panels

    def keep(path, draw_on, size):
        def draw(figure):
            draw_on(figure)
            figures.append(figure)

        real(path, draw, size)

    monkeypatch.setattr(one_line, "save_panels", keep)
    one_line.draw_one_line(bare, tmp_path / "tree.png")
    axes = figures[0].axes[0]
    assert {text.get_text() for text in axes.texts} == {"a", "b", "c", "d", "head\n1 p.u."}
    legend = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert legend == ["agent 0 (2)", "agent 1 (1)", "no building"]
    assert "3 buses, 1 node without a building, 2 agents" in axes.get_title(loc="left")
    dots = {
        tuple(collection.get_offsets()[0]): len(collection.get_offsets())
        for collection in axes.collections[1:]
    }
    assert sorted(dots.values()) == [1, 1, 2]
    assert imread(tmp_path / "tree.png").shape[1] == 720


def test_names_that_leave_no_room_are_shortened(bare):
    """What all buses' names begin with goes first, and names without a building."""
    names = ("junction_1", "building_7", "building_8", "building_9")
    feeder = {**bare.feeder.to_dict(), "bus_names": names}
    feeder |= {"r_ohm": bare.feeder.r_ohm, "x_ohm": bare.feeder.x_ohm}
    case = bare.replace(feeder=Feeder(**feeder))
    assert one_line.shown_names(case, 0.4, 0.5) == ({2: "7", 3: "8", 4: "9"}, "building_")
    every = dict(enumerate(names, start=1))
    assert one_line.shown_names(case, 2.0, 0.5) == (every, "")
    assert one_line.shown_names(bare, 0.3, 0.5) == ({1: "a", 2: "b", 3: "c", 4: "d"}, "")


def test_tints():
    assert (tint("#0072b2", 1.0), tint("#0072b2", 0.0)) == ("#0072b2", "#ffffff")
    assert tint("#000000", 0.5) == "#808080"


def test_duration_curves_show_limits_and_all_curves_whole(bare, tmp_path, monkeypatch):
    """Also where the first rule stays far within the limits, and a later one does not."""
    figures = []
    monkeypatch.setattr(
        case_pictures,
        "save_panels",
        lambda path, draw_on, size: figures.append(Figure()) or draw_on(figures[0]),
    )
    nothing = np.zeros((4, 3))
    calm = Actions(nothing, nothing, np.full((4, 3), 1.001), np.full(4, 1.0))
    wild = Actions(nothing, nothing, np.full((4, 3), 0.90), np.full(4, 9.0))
    case_pictures.draw_durations(bare, {rules.OPTIMUM: calm}, tmp_path / "unused.png")
    assert figures[0].axes[0].get_ylim()[1] > 0.05
    figures.clear()
    both = {rules.OPTIMUM: calm, rules.NO_CONTROL: wild}
    case_pictures.draw_durations(bare, both, tmp_path / "unused.png")
    voltages, losses = figures[0].axes
    assert voltages.get_ylim()[1] > 0.10 and losses.get_ylim()[1] > 9.0
