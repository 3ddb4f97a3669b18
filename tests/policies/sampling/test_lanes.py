"""Joint forms by number of lanes: made once, shared, closed together."""

from __future__ import annotations

import numpy as np
from quadratic_game import Game, JointGame

from policies.sampling.lanes import Lanes


class Plain(Game):
    """The game without a joint form, which remembers who is closed."""

    def __init__(self):
        super().__init__({"joint": False})
        self.closed = 0

    def close(self):
        self.closed += 1


def test_copies_are_shared_between_numbers_of_lanes():
    made = []
    lanes = Lanes(lambda: made.append(Plain()) or made[-1], most_copies=4)
    assert lanes.env is made[0]
    assert [lanes(count).num_envs for count in (2, 3, 1)] == [2, 3, 1]
    assert lanes(3) is lanes(3)
    assert len(made) == 3
    assert [lanes.at_most(count) for count in (3, 4, 9)] == [3, 4, 4]
    lanes.close()
    assert [env.closed for env in made] == [1, 1, 1]


def test_a_joint_form_has_as_many_lanes_as_are_asked_for():
    lanes = Lanes(lambda: Game(), most_copies=4)
    assert lanes.at_most(9) == 9
    joint = lanes(9)
    assert isinstance(joint, JointGame) and joint.reset().shape == (9, 2)
    assert joint is lanes(9)
    lanes.close()
    assert lanes(9) is not joint


def test_lanes_are_usable_after_all_were_closed():
    lanes = Lanes(Plain, most_copies=4)
    lanes(2)
    lanes.close()
    assert np.isfinite(lanes(2).reset()).all()
