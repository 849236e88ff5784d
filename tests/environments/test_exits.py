"""Mazes with exits and rewards of cells: their models, episodes, values and what is learned in them."""

import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import clew
from clew.environments.gallery import GALLERY, make_world
from clew.environments.gallery_mazes import BRIDGE, CLIFF, DISCOUNT, RUSSELL
from clew.errors import SettingError
from clew.kernels.dynamics import Grid
from clew.mazes.moves import FOUR

DOWN, LEFT, UP, RIGHT = range(4)
TEXTS = {"russell": RUSSELL, "bridge": BRIDGE, "cliff": CLIFF, "discount": DISCOUNT}
BERKELEY = ["berkeley-book", "berkeley-bridge", "berkeley-cliff", "berkeley-discount"]


def textbook_values(text, *, step, slip, gamma, leaving, sweeps=3000):
    """Value iteration as the books write it, over dictionaries, from the letters of a text.

    With `leaving` an exit is a state whose value is its reward: V(exit) = R, and V(s) = step + gamma * E[V(s')].
    Without it a move pays the exit's reward: V(s) = E[step + R or step + gamma * V(s')].
    """
    drawing, below = text.split("\n\n")
    pays = {line.split()[0]: float(line.split()[2]) for line in below.splitlines()}
    letters = {(i, j): c for i, row in enumerate(drawing.splitlines()) for j, c in enumerate(row)}
    free = {place for place, c in letters.items() if c != "#"}
    exits = {place: pays[c] for place, c in letters.items() if c in pays}
    v = {place: exits.get(place, 0.0) if leaving else 0.0 for place in free}

    def worth(place, move):
        target = place[0] + move[0], place[1] + move[1]
        target = target if target in free else place
        return exits[target] if target in exits and not leaving else gamma * v[target]

    for _ in range(sweeps):
        for place in free - exits.keys():
            v[place] = step + max(
                (1 - slip) * worth(place, (i, j)) + slip / 2 * (worth(place, (j, i)) + worth(place, (-j, -i)))
                for i, j in ((1, 0), (0, -1), (-1, 0), (0, 1))
            )
    return v


def grid_of(maze, values):
    return np.asarray(values).reshape(maze.rows, maze.columns)


def test_the_world_of_russell_and_norvig_has_the_published_values(tmp_path):
    path = tmp_path / "4x3.txt"
    path.write_text("...A\n.#.B\nS...\n\nA exit 1\nB exit -1\n")
    maze = clew.Maze.load(path)
    env = clew.Environment(maze, step_reward=-0.04, slip=0.2)
    v = grid_of(maze, clew.solve(env, gamma=1.0, tolerance=1e-8).v)
    published = [[0.8116, 0.8678, 0.9178], [0.7616, np.nan, 0.6603], [0.7053, 0.6553, 0.6114, 0.3879]]
    for row, expected in enumerate(published):
        for column, value in enumerate(expected):
            assert np.isnan(value) or round(v[row, column], 4) == value
    leaving = clew.Environment(maze, step_reward=-0.04, slip=0.2, exit_action=True)
    w = grid_of(maze, clew.solve(leaving, gamma=1.0, tolerance=1e-8).v)
    assert (w[0, 3], w[1, 3]) == (1.0, -1.0)  # the value of an exit is what it pays
    assert np.abs(w - v)[maze.cells & 16 == 0].max() < 1e-7  # without a discount it doesn't matter when it is paid


def test_the_book_grid_of_berkeley_has_the_published_values():
    env = make_world("berkeley-book")
    v = grid_of(env.maze, clew.solve(env, gamma=0.9, tolerance=1e-8).v).round(2).tolist()
    assert v == [[0.64, 0.74, 0.85, 1.0], [0.57, 0.0, 0.57, -1.0], [0.49, 0.43, 0.48, 0.28]]


@pytest.mark.parametrize("leaving", [False, True])
@pytest.mark.parametrize("name", sorted(TEXTS))
@pytest.mark.parametrize(
    ("step", "slip", "gamma"), [(0.0, 0.2, 0.9), (-0.04, 0.2, 0.99), (0.5, 0.4, 0.8), (-1.0, 0.0, 0.5)]
)
def test_values_are_those_of_textbook_value_iteration(name, step, slip, gamma, leaving):
    maze = clew.Maze.from_text(TEXTS[name])
    env = clew.Environment(maze, step_reward=step, slip=slip, exit_action=leaving)
    v = clew.solve(env, gamma=gamma, tolerance=1e-9).v
    for (row, column), value in textbook_values(
        TEXTS[name], step=step, slip=slip, gamma=gamma, leaving=leaving
    ).items():
        assert v[row * maze.columns + column] == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.99])
def test_an_exit_action_pays_the_reward_one_step_later(gamma):
    """So V with an exit action is V of exits that pay gamma times as much on entry."""
    for text in TEXTS.values():
        maze = clew.Maze.from_text(text)
        discounted = maze.with_rewards(exits={place: gamma * reward for place, reward in maze.exits.items()})
        leaving = clew.Environment(maze, slip=0.2, step_reward=-0.1, exit_action=True)
        entering = clew.Environment(discounted, slip=0.2, step_reward=-0.1)
        is_free = (maze.cells.reshape(-1) & (16 | 64)) == 0
        v, w = (clew.solve(env, gamma=gamma, tolerance=1e-9).v[is_free] for env in (leaving, entering))
        assert np.abs(v - w).max() < 1e-7


def exit_reached(env, gamma):
    """Reward of the exit to which the optimal policy leads from the start if no move slips, and the places before."""
    solution, maze = clew.solve(env, gamma=gamma, tolerance=1e-10), env.maze
    place, places = maze.start, [maze.start]
    while place not in maze.exits and len(places) < 50:
        move = FOUR.moves[0][solution.actions[place[0] * maze.columns + place[1]]]
        target = place[0] + move.rows, place[1] + move.columns
        is_free = 0 <= target[0] < maze.rows and 0 <= target[1] < maze.columns and not maze.blocked[target]
        place = target if is_free else place
        places.append(place)
    return maze.exits.get(place), places


@pytest.mark.parametrize(("slip", "reward"), [(0.2, 1.0), (0.02, 1.0), (0.01, 10.0), (0.0, 10.0)])
def test_the_bridge_is_crossed_only_if_moves_hardly_slip(slip, reward):
    env = clew.Environment(clew.Maze.from_text(BRIDGE), slip=slip, exit_action=True)
    assert exit_reached(env, 0.9)[0] == reward


@pytest.mark.parametrize(
    ("gamma", "slip", "step", "reward", "along_the_cliff"),
    [
        (0.1, 0.0, 0.0, 1.0, True),  # the near exit, along the cliff
        (0.3, 0.2, 0.0, 1.0, False),  # the near exit, the long way round
        (0.9, 0.0, 0.0, 10.0, True),  # the far exit, along the cliff
        (0.9, 0.2, 0.0, 10.0, False),  # the far exit, the long way round
        (0.9, 0.2, 20.0, None, False),  # neither: to live pays more than any exit
    ],
)
def test_the_five_policies_of_the_discount_grid(gamma, slip, step, reward, along_the_cliff):
    env = clew.Environment(clew.Maze.from_text(DISCOUNT), slip=slip, step_reward=step, exit_action=True)
    reached, places = exit_reached(env, gamma)
    assert reached == reward
    assert ((3, 1) in places) == along_the_cliff


def test_rewards_of_moves_exits_hazards_and_cells_add_up():
    maze = clew.Maze.open(
        1,
        5,
        start=(0, 1),
        exits={(0, 4): 3.0, (0, 0): -7.0},
        hazards=[(0, 3)],
        cell_rewards={(0, 2): 0.25, (0, 3): 0.5},
    )
    env = clew.Environment(maze, step_reward=-1.0, hazard_reward=-5.0, outer_wall_reward=-2.0, goal_reward=100.0)

    def rewards(*actions):
        env.reset(seed=0)
        return [env.step(action)[1:3] for action in actions]

    assert rewards(RIGHT, UP, RIGHT, RIGHT) == [(-0.75, False), (-3.0, False), (-5.5, False), (2.0, True)]
    assert rewards(LEFT) == [(-8.0, True)]
    assert rewards(RIGHT, LEFT, RIGHT) == [(-0.75, False), (-1.0, False), (-0.75, False)]  # each time it is entered
    leaving = clew.Environment(maze, step_reward=-1.0, exit_action=True)
    leaving.reset(seed=0)
    assert leaving.step(LEFT)[:3] == (0, -1.0, False)
    assert leaving.step(UP)[:3] == (0, -7.0, True)


def test_goals_and_exits_of_one_maze_pay_each_its_own():
    maze = clew.Maze.open(1, 3, start=(0, 1), goal=(0, 0), exits={(0, 2): 5.0})
    env = clew.Environment(maze, goal_reward=2.0)
    assert clew.solve(env, gamma=0.5).q[1].tolist() == pytest.approx([2.5, 2.0, 2.5, 5.0])
    assert (maze.goals, dict(maze.exits)) == (((0, 0), (0, 2)), {(0, 2): 5.0})


@pytest.mark.parametrize("seed", range(6))
def test_a_maze_whose_exits_pay_as_goals_is_the_same_world(seed):
    """The table of moves for exits agrees with the form that mazes without exits have."""
    maze = clew.generate_maze("random", 6, 7, seed=seed, density=0.2).painted([(2, 3)], "hazard")
    settings = {"slip": 0.3 * (seed % 2), "step_reward": -0.1, "outer_wall_reward": -0.3, "hazard_reward": -2.0}
    plain = clew.Environment(maze, goal_reward=1.5, **settings)
    exits = clew.Environment(maze.with_rewards(exits=dict.fromkeys(maze.goals, 1.5)), **settings)
    assert isinstance(plain.mdp.model, Grid)
    assert not isinstance(exits.mdp.model, Grid)
    for one, other in zip(plain.mdp.to_sparse().model, exits.mdp.model, strict=True):
        assert np.array_equal(one, other)
    assert plain.is_terminal(np.arange(42)).tolist() == exits.is_terminal(np.arange(42)).tolist()


@pytest.mark.parametrize("moves", ["eight", "knight", "robot"])
def test_other_moves_have_exits_and_rewards_too(moves):
    maze = clew.Maze.open(4, 4, exits={(3, 3): 2.0, (0, 3): -2.0}, cell_rewards={(1, 2): 0.05})
    env = clew.Environment(maze, moves=moves, step_reward=-0.1)
    leaving = clew.Environment(maze, moves=moves, step_reward=-0.1, exit_action=True)
    rows = clew.solve(env, gamma=1.0), clew.solve(leaving, gamma=1.0)
    assert rows[0].value == pytest.approx(rows[1].value, abs=1e-6)
    assert rows[1].steps == rows[0].steps + 1


@pytest.mark.parametrize("name", ["russell", *BERKELEY])
@pytest.mark.parametrize("algorithm", ["q-learning", "prioritized-sweeping", "sarsa"])
def test_what_is_learned_is_nearly_optimal(name, algorithm):
    env, gamma = make_world(name), GALLERY[name].gamma
    settings = (
        {} if algorithm == "prioritized-sweeping" else {"alpha": 0.2, "alpha_schedule": "linear", "alpha_last": 0.001}
    )
    policy = clew.train_policy(
        env,
        40_000,
        algorithm=algorithm,
        gamma=gamma,
        epsilon=0.2,
        seed=1,
        exploration_schedule="linear",
        exploration_last=0.02,
        **settings,
    )
    grade = clew.evaluate_values(env, policy.q, gamma=gamma)
    assert -1e-9 <= grade.suboptimality < 0.05 * max(1.0, abs(GALLERY[name].optimum))


def test_compiled_training_equals_stepping(monkeypatch):
    env = make_world("russell")
    compiled = clew.train_policy(env, 300, seed=3, gamma=1.0)

    class Stepped(gymnasium.Wrapper):
        pass

    stepped = clew.train_policy(Stepped(make_world("russell")), 300, seed=3, gamma=1.0)
    assert compiled.q.shape == stepped.q.shape == (12, 4)
    assert np.isfinite(stepped.q).all()


@pytest.mark.parametrize("exit_action", [False, True])
def test_copies_in_a_vector_go_as_one_environment(exit_action):
    maze = clew.Maze.from_text(DISCOUNT)
    settings = {"slip": 0.2, "step_reward": -0.1, "exit_action": exit_action}
    envs = clew.MazeVectorEnv(5, maze, **settings)
    singles = [clew.Environment(maze, **settings) for _ in range(5)]
    states, _ = envs.reset(seed=7)
    assert [env.reset(seed=7 + i)[0] for i, env in enumerate(singles)] == states.tolist()
    rng, over = np.random.default_rng(0), [False] * 5
    seen = 0
    for _ in range(400):
        actions = rng.integers(4, size=5)
        states, rewards, terminations, truncations, infos = envs.step(actions)
        for i, env in enumerate(singles):
            if over[i]:
                expected, over[i] = (env.reset()[0], 0.0, False, False), False
            else:
                expected = env.step(int(actions[i]))[:4]
                over[i] = expected[2] or expected[3]
            assert (states[i], rewards[i], terminations[i], truncations[i]) == pytest.approx(expected, abs=1e-6)
            assert tuple(infos["position"][i]) == divmod(int(states[i]), 5)
        seen += int(terminations.sum())
    assert seen > 20


@pytest.mark.parametrize("name", ["russell", *BERKELEY])
def test_gymnasium_finds_nothing_wrong(name):
    check_env(make_world(name), skip_render_check=True)
    env = gymnasium.make("clew/Maze-v0", maze=make_world(name).maze, exit_action=True, render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().ndim == 3


def test_an_exit_is_no_success():
    """Its reward may be -100: so what counts is the share of episodes that ended, and the return."""
    env = clew.Environment(clew.Maze.from_text("SA\n\nA exit -5\n"), step_reward=-10.0)
    figures = clew.evaluate_policy(env, clew.train_policy(env, 100, seed=0))
    assert (figures.success_rate, figures.terminated_rate, figures.mean_return) == (None, 1.0, -15.0)


@pytest.mark.parametrize("exit_action", [False, True])
def test_terminal_states_are_those_in_which_nothing_happens(exit_action):
    env = clew.Environment(clew.Maze.from_text(RUSSELL), exit_action=exit_action)
    assert np.flatnonzero(env.is_terminal(np.arange(12))).tolist() == [5] if exit_action else [3, 5, 7]


def test_environments_with_exits_go_through_pickle():
    env = make_world("berkeley-discount")
    copy = pickle.loads(pickle.dumps(env))
    assert copy.maze == env.maze
    assert np.array_equal(copy.mdp.model.rewards, env.mdp.model.rewards)


@pytest.mark.parametrize(
    ("maze", "settings", "message"),
    [
        (
            clew.Maze.from_text(RUSSELL),
            {"random_goal": True},
            "must be False for a maze with exits or rewards of cells",
        ),
        (clew.Maze.open(3, 3, cell_rewards={(1, 1): 1.0}), {"random_goal": True}, "exits or rewards of cells"),
        (clew.Maze.open(3, 3), {"exit_action": True}, "has no effect on a maze without exits"),
        (clew.Maze.from_text(RUSSELL), {"exit_action": 1}, "exit_action must be True or False"),
    ],
)
def test_what_does_not_go_with_exits_is_refused(maze, settings, message):
    with pytest.raises(SettingError, match=message):
        clew.Environment(maze, **settings)


def test_the_blocks_of_a_large_world_refuse_exits_in_words():
    from clew.distributed.blocks import BlockWorld

    with (
        pytest.raises(SettingError, match="exits or rewards of cells"),
        BlockWorld(make_world("russell"), num_blocks=1),
    ):
        pass


def test_random_starts_are_never_on_exits():
    env = clew.Environment(clew.Maze.from_text(DISCOUNT), random_start=True, exit_action=True)
    assert not set(env.mdp.starts.tolist()) & {12, 14, *range(20, 25)}
    assert env.mdp.starts.size == 25 - 3 - 7


def test_exits_that_pay_nothing_are_the_holes_of_frozenlake():
    lake = clew.make_gymnasium("FrozenLake-v1")
    maze = clew.Maze.from_lists(lake.unwrapped.desc)
    maze = maze.painted(np.argwhere(maze.hazards).tolist(), "exit", 0.0)
    ours, theirs = (clew.solve(env, gamma=0.9, tolerance=1e-9) for env in (clew.Environment(maze, slip=2 / 3), lake))
    assert np.abs(ours.v - theirs.v).max() < 1e-8
    assert ours.value == pytest.approx(0.06889, abs=1e-5)


@pytest.mark.parametrize("sharing", ["central", "local"])
def test_simulations_share_what_they_learn_of_exits(sharing):
    env = make_world("russell")
    policy = clew.train_policy_parallel(
        env, 6000, num_simulations=3, sharing=sharing, seed=0, gamma=1.0, alpha=0.1, epsilon=0.2
    )
    assert clew.evaluate_values(env, policy.q, gamma=1.0).suboptimality < 0.05
