"""What a notebook shows of mazes, policies, trajectories and evaluations."""

import pickle
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import gymnasium
import numpy as np

import clew


def solved(env):
    return clew.Policy(env, q=clew.solve(env).q)


def test_a_maze_shows_itself():
    maze = clew.Maze.open(3, 3)
    assert maze._repr_svg_() == clew.draw(maze).svg()


def output_of_a_new_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_maze_shows_itself_where_nothing_but_mazes_was_imported():
    code = "from clew.mazes import Maze; print(Maze.open(3, 3)._repr_svg_()[:4])"
    assert output_of_a_new_python(code) == "<svg"


def test_drawing_code_is_loaded_when_a_notebook_asks_and_not_before():
    code = """
import sys, clew
maze = clew.Maze.open(3, 3)
print("clew.figures.drawing" in sys.modules, any(name.startswith("clew.rendering") for name in sys.modules))
maze._repr_svg_()
print("clew.figures.drawing" in sys.modules)
"""
    assert output_of_a_new_python(code).split() == ["False", "False", "True"]


def test_a_policy_shows_values_and_arrows_in_its_maze():
    env = clew.Environment(clew.Maze.open(3, 3))
    policy = solved(env)
    assert policy._repr_svg_() == clew.draw(env, policy).svg()
    assert 'class="arrows"' in policy._repr_svg_()
    wrapped = gymnasium.make("clew/Maze-v0", maze=clew.Maze.open(3, 3), disable_env_checker=True)
    assert clew.Policy(wrapped, q=policy.q)._repr_svg_() == policy._repr_svg_()


def test_a_policy_without_one_maze_is_shown_in_words():
    env = clew.Environment(clew.Maze.open(2, 2))
    assert clew.Policy(env.mdp)._repr_svg_() is None
    assert clew.Policy(clew.Environment(clew.Maze.open(2, 2), random_goal=True))._repr_svg_() is None
    assert clew.Policy(clew.make_gymnasium("FrozenLake-v1"))._repr_svg_() is None


def test_a_policy_and_a_trajectory_are_sent_without_their_world():
    maze = clew.Maze.open(40, 40)
    env = clew.Environment(maze)
    policy = solved(env)
    sent = pickle.dumps(policy)
    assert len(sent) < policy.q.nbytes + 500
    assert pickle.loads(sent)._repr_svg_() is None
    assert (pickle.loads(sent).q == policy.q).all()
    trajectory = clew.Simulation(env).rollout(policy, explore=False)
    sent = pickle.dumps(trajectory)
    assert len(sent) < 18 * len(trajectory) + 1500
    assert pickle.loads(sent)._repr_svg_() is None
    np.testing.assert_array_equal(pickle.loads(sent).next_state, trajectory.next_state)


def test_a_trajectory_shows_its_way_and_many_show_their_visits():
    env = clew.Environment(clew.Maze.open(2, 2))
    simulation = clew.Simulation(env)
    one = simulation.rollout(solved(env), explore=False)._repr_svg_()
    assert "path of the episode, 2 steps" in one
    many = simulation.rollouts(solved(env).q, 10, exploration=0.0, stream=np.array([1, 2], np.uint64))
    drawn = ElementTree.fromstring(many._repr_svg_())
    assert not [each for each in drawn.iter() if each.get("class") == "path"]
    assert "visits" in many._repr_svg_()
    assert clew.Trajectory(*[[]] * 6)._repr_svg_() is None


def test_an_evaluation_is_a_table_with_the_gap_and_the_optimum():
    env = clew.Environment(clew.Maze.open(3, 3))
    page = clew.evaluate_policy(env, solved(env))._repr_html_()
    rows = re.findall(r"<th[^>]*>(.*?)</th><td[^>]*>(.*?)</td>", page)
    assert rows[:4] == [("mean steps", "4"), ("optimal steps", "4"), ("excess steps", "0"), ("success rate", "1")]
    assert "10 greedy episodes" in page
    ElementTree.fromstring(page)
    lost = clew.evaluate_policy(env, clew.Policy(env, q=np.tile([0.0, 1.0, 0.0, 0.0], (9, 1))), 1)
    rows = dict(re.findall(r"<th[^>]*>(.*?)</th><td[^>]*>(.*?)</td>", lost._repr_html_()))
    assert (rows["mean steps"], rows["excess steps"], rows["success rate"]) == ("900", "896", "0")
    widths = re.findall(r"width:(\d+)px;height", lost._repr_html_())
    assert widths[:2] == ["120", "1"]  # 900 steps and 4


def test_an_evaluation_without_a_model_has_no_optimum():
    page = clew.evaluate_policy(BlackBox(), clew.Policy(BlackBox()), 2)._repr_html_()
    assert "optimum" not in page
    assert "terminated rate" in page
    assert "success rate" not in page  # no goal is declared


class BlackBox(gymnasium.Env):
    """One step to the end; nobody knows its model."""

    observation_space, action_space = gymnasium.spaces.Discrete(2), gymnasium.spaces.Discrete(1)

    def reset(self, *, seed=None, options=None):
        return 0, {}

    def step(self, action):
        return 1, 1.0, True, False, {}


def test_the_text_of_a_drawing_is_one_short_line():
    env = clew.Environment(clew.Maze.open(2, 3))
    assert repr(clew.draw(env, clew.solve(env))) == "Drawing(Maze(2x3, start=(0, 0), goals=((1, 2),)))"
    assert repr(clew.draw(env, title="Empty")).endswith(", title='Empty')")
