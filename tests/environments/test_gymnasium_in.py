"""Gymnasium's environments as models and with integer spaces, and errors for those that have none."""

import copy
import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv
from gymnasium.spaces import Box, Dict, Discrete, Graph, MultiBinary, MultiDiscrete, Sequence, Text, Tuple
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import (
    OrderEnforcing,
    PassiveEnvChecker,
    RecordEpisodeStatistics,
    TimeLimit,
    TransformReward,
)

import clew
from clew import FiniteMDP, ModelError, SettingError, as_discrete, evaluate_policy, make_gymnasium, solve, train_policy
from clew.environments import as_compiled, model_of
from clew.environments.indexing import Indexed, SpaceIndex
from clew.kernels.sampling import new_stream
from clew.policies.episodes import Simulation
from worlds import only_steps

TABLES = {
    "FrozenLake 4x4": ("FrozenLake-v1", {}),
    "FrozenLake 4x4, certain": ("FrozenLake-v1", {"is_slippery": False}),
    "FrozenLake 4x4, uneven": ("FrozenLake-v1", {"success_rate": 0.8, "reward_schedule": (3, -2, -0.5)}),
    "FrozenLake 8x8": ("FrozenLake8x8-v1", {}),
    "FrozenLake 8x8, certain": ("FrozenLake8x8-v1", {"is_slippery": False}),
    "Taxi": ("Taxi-v4", {}),
    "Taxi, rainy": ("Taxi-v4", {"is_rainy": True}),
    "CliffWalking": ("CliffWalking-v1", {}),
    "CliffWalking, slippery": ("CliffWalkingSlippery-v1", {}),
}


def make(name):
    env_id, settings = TABLES[name]
    return gymnasium.make(env_id, **settings)


def row_of(mdp, s, a, draw):
    """Return the outcome that a uniform number selects: the first whose cumulative probability exceeds it."""
    first, last = mdp.model.offsets[s * mdp.num_actions + a :][:2]
    return first + int(np.argmax(np.cumsum(mdp.model.probabilities[first:last]) > draw))


class Draws:
    """A random generator that records its uniform numbers, to replace that of an environment."""

    def __init__(self, rng):
        self.rng, self.last = rng, None

    def random(self):
        self.last = self.rng.random()
        return self.last

    def __getattr__(self, name):
        return getattr(self.rng, name)


# Models of tables -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_the_same_draws_lead_the_same_way(name):
    """Replay thousands of steps of the original through the rows of the model, with the same uniform numbers.

    Half of the actions are greedy, so that episodes also end.
    """
    env, actions = make(name).unwrapped, np.random.default_rng(1)
    mdp = FiniteMDP.from_gymnasium(env, action_mask=False)
    best = solve(mdp, gamma=0.99).actions
    s, _ = env.reset(seed=3)
    draws = env._np_random = Draws(env.np_random)
    ends = 0
    for _ in range(5000):
        assert s in mdp.starts or mdp.model.offsets[s * mdp.num_actions] < mdp.model.offsets[(s + 1) * mdp.num_actions]
        a = int(best[s] if actions.random() < 0.5 else actions.integers(mdp.num_actions))
        s_next, reward, terminated, truncated, _ = env.step(a)
        row = row_of(mdp, s, a, draws.last)
        assert (mdp.model.next_states[row], mdp.model.rewards[row]) == (s_next, reward)
        assert mdp.model.terminated[row] == terminated
        assert not truncated
        s, ends = s_next, ends + terminated
        if terminated:
            s, _ = env.reset()
            assert s in mdp.starts
    assert ends > 10


def test_a_method_of_masks_that_takes_no_state_is_refused():
    class Current(FrozenLakeEnv):
        def action_mask(self):
            return np.array([1, 0, 0, 0], np.int8)

    with pytest.raises(ModelError, match=r"action_mask must be a method of a state, action_mask\(state\): too many"):
        FiniteMDP.from_gymnasium(Current())
    assert FiniteMDP.from_gymnasium(Current(), action_mask=False).all_available


@pytest.mark.parametrize("name", TABLES)
def test_reachable_states_have_the_rows_of_the_table_and_others_none(name):
    env = make(name)
    mdp, table = FiniteMDP.from_gymnasium(env, action_mask=False), env.unwrapped.P
    reachable, waiting = set(), list(map(int, np.flatnonzero(env.unwrapped.initial_state_distrib)))
    while waiting:
        s = waiting.pop()
        if s not in reachable:
            reachable.add(s)
            waiting += [int(row[1]) for rows in table[s].values() for row in rows if not row[3]]
    assert (mdp.num_states, mdp.num_actions) == (env.observation_space.n, env.action_space.n)
    for s, a in np.ndindex(mdp.num_states, mdp.num_actions):
        first, last = mdp.model.offsets[s * mdp.num_actions + a :][:2]
        rows = list(zip(*(column[first:last].tolist() for column in mdp.model[1:5]), strict=True))
        assert rows == ([tuple(row) for row in table[s][a]] if s in reachable else [])
    if "Taxi" in name:
        assert (mdp.starts.size, len(reachable)) == (300, 400)
    if "Cliff" in name:
        assert len(reachable) == 37  # neither the goal nor the ten cells of the cliff
        assert mdp.starts.tolist() == [36]


def customised(name="FrozenLake-v1", **attributes):
    env = gymnasium.make(name).unwrapped
    for attribute, value in attributes.items():
        setattr(env, attribute, value)
    return env


def weights(**of):
    distribution = np.zeros(16)
    distribution[[int(name[1:]) for name in of]] = list(of.values())
    return distribution


@pytest.mark.parametrize(
    ("distribution", "starts"),
    [
        (weights(_0=0.5, _1=0.5), [0, 1]),
        (weights(_0=0.25, _8=0.75), [0, 8, 8, 8]),
        (weights(_3=0.4, _1=0.6), [1, 1, 1, 3, 3]),
        (weights(_0=0.01, _1=0.99), [0] + [1] * 99),
    ],
)
def test_starts_are_repeated_as_their_probabilities_ask_for(distribution, starts):
    assert FiniteMDP.from_gymnasium(customised(initial_state_distrib=distribution)).starts.tolist() == starts


def table_with(s, a, rows):
    table = copy.deepcopy(gymnasium.make("FrozenLake-v1").unwrapped.P)
    table[s][a] = rows
    return table


class Bare:
    observation_space, action_space = Discrete(2), Discrete(1)


class BareTable(Bare):
    P = {0: {0: [(1.0, 1, 1.0, True)]}, 1: {0: [(1.0, 1, 0.0, True)]}}  # noqa: RUF012


REFUSED = {
    "starts of odd probabilities": (
        lambda: customised(initial_state_distrib=weights(_0=1 / np.pi, _1=1 - 1 / np.pi)),
        "not in the ratio of whole numbers up to 100",
    ),
    "starts too unlike": (lambda: customised(initial_state_distrib=weights(_0=0.001, _1=0.999)), "up to 100"),
    "starts that are none": (lambda: customised(initial_state_distrib=np.ones(16)), "must be 16 probabilities"),
    "NaN": (lambda: customised(initial_state_distrib=np.full(16, np.nan)), "must be 16 probabilities"),
    "no starts": (BareTable, "BareTable has no attribute initial_state_distrib"),
    "no table": (lambda: gymnasium.make("Blackjack-v1"), r"BlackjackEnv has no transition table.*clew\.as_discrete"),
    "nothing": (lambda: None, "NoneType has no transition table"),
    "hidden state": (
        lambda: gymnasium.make("Taxi-v4", fickle_passenger=True),
        "fickle_passenger=True doesn't follow its table",
    ),
    "a wrapper": (
        lambda: TransformReward(gymnasium.make("FrozenLake-v1"), lambda reward: 2 * reward),
        "the wrapper TransformReward may change what a step does",
    ),
    "a wrapper inside": (
        lambda: OrderEnforcing(TransformReward(gymnasium.make("FrozenLake-v1"), lambda reward: 2 * reward)),
        "the wrapper TransformReward may change",
    ),
    "a space of another kind": (
        lambda: customised(observation_space=Discrete(16, start=1)),
        "needs a Discrete observation_space that starts at 0, not Discrete",
    ),
    "a row too short": (lambda: customised(P=table_with(0, 2, [(1.0, 1, 0.0)])), "state 0, action 2: an outcome must"),
    "probabilities": (
        lambda: customised(P=table_with(4, 3, [(0.5, 1, 0.0, False)])),
        r"state 4, action 3: probabilities sum to 0\.5, not 1",
    ),
    "no row": (lambda: customised(P=table_with(4, 3, [])), "state 4, action 3: the state can be reached, but"),
    "no action": (lambda: customised(P={0: {}}), "state 0, action 0: the table P has no list of outcomes"),
    "a next state outside": (
        lambda: customised(P=table_with(4, 3, [(1.0, 16, 0.0, False)])),
        r"state 4, action 3: next state 16 is outside 0\.\.15",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_model_is_refused_with_the_reason(name):
    env, message = REFUSED[name]
    with pytest.raises(ModelError, match=message):
        FiniteMDP.from_gymnasium(env())


def test_rows_that_cannot_be_reached_do_not_matter():
    """Hole 5 is terminal: the test never acts in it."""
    mdp = FiniteMDP.from_gymnasium(customised(P=table_with(5, 0, [(7.0, 99, np.nan, "no")])))
    assert mdp.model.offsets[20] == mdp.model.offsets[24]


# Simulated and solved by kernels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_what_make_gives_is_played_by_kernels_with_its_limit(name):
    env = make(name)
    world = as_compiled(env)
    assert world.max_episode_steps == (env.spec.max_episode_steps or 4800)
    assert as_compiled(env).mdp is world.mdp is model_of(env)  # the model is cached


def test_the_least_limit_holds():
    env = gymnasium.make("Taxi-v4").unwrapped
    assert as_compiled(env).max_episode_steps == 50_000
    assert as_compiled(TimeLimit(PassiveEnvChecker(TimeLimit(env, 7)), 9)).max_episode_steps == 7
    seen = Simulation(TimeLimit(env, 7)).rollouts(np.zeros((500, 6)), 3, exploration=0.0, stream=new_stream(0))
    assert len(seen) == 21
    assert np.flatnonzero(seen.truncated).tolist() == [6, 13, 20]


class Generous(FrozenLakeEnv):
    def step(self, a):
        s, reward, *rest = super().step(a)
        return s, reward + 1.0, *rest


def patched():
    env = gymnasium.make("FrozenLake-v1").unwrapped
    env.step = lambda a: (0, 1.0, True, False, {})
    return env


def patched_wrapper():
    env = OrderEnforcing(gymnasium.make("FrozenLake-v1").unwrapped)
    env.step = lambda a: (0, 1.0, True, False, {})
    return env


STEPPED = {
    "a subclass": Generous,
    "a step that was replaced": patched,
    "a wrapper's that was": patched_wrapper,
    "hidden state": lambda: gymnasium.make("Taxi-v4", fickle_passenger=True),
    "a wrapper": lambda: TransformReward(gymnasium.make("FrozenLake-v1"), lambda reward: 2 * reward),
    "statistics": lambda: RecordEpisodeStatistics(gymnasium.make("FrozenLake-v1")),
    "a broken table": lambda: customised(P=table_with(0, 0, [])),
    "no table any more": lambda: customised(P=None),
}


@pytest.mark.parametrize("name", STEPPED)
def test_what_a_table_may_not_tell_all_of_is_stepped_through(name):
    assert as_compiled(STEPPED[name]()) is None


def test_a_table_that_is_changed_is_read_again():
    env = gymnasium.make("FrozenLake-v1", is_slippery=False)
    table = env.unwrapped.P
    assert solve(env, gamma=1.0).value == 1.0
    table[14][2] = [(1.0, 15, 5.0, True)]
    assert solve(env, gamma=1.0).value == 5.0
    table[14][2][0] = [1.0, 15, 6.0, True]  # a list, which can be changed
    assert solve(env, gamma=1.0).value == 6.0
    table[14][2][0][2] = 7.0
    assert solve(env, gamma=1.0).value == 7.0


def test_starts_and_passengers_that_are_changed_are_noticed():
    env = gymnasium.make("FrozenLake-v1")
    assert as_compiled(env).mdp.starts.tolist() == [0]
    env.unwrapped.initial_state_distrib = weights(_14=1.0)
    assert as_compiled(env).mdp.starts.tolist() == [14]
    taxi = gymnasium.make("Taxi-v4")
    assert as_compiled(taxi) is not None
    taxi.unwrapped.fickle_passenger = True
    assert as_compiled(taxi) is None


def test_a_copy_on_another_process_is_the_same_world():
    env = pickle.loads(pickle.dumps(gymnasium.make("CliffWalking-v1")))
    assert solve(env, gamma=1.0).value == -13.0


@pytest.mark.parametrize(
    ("world", "error", "message"),
    [
        (lambda: gymnasium.make("Blackjack-v1"), ModelError, "BlackjackEnv has no transition table"),
        (lambda: gymnasium.make("Taxi-v4", fickle_passenger=True), ModelError, "fickle_passenger"),
        (lambda: "FrozenLake-v1", SettingError, "with a transition table P, got a str"),
    ],
)
def test_solve_says_why_a_world_has_no_model(world, error, message):
    with pytest.raises(error, match=message):
        solve(world())


def test_a_step_that_was_replaced_is_played_and_has_no_model():
    """Compiled kernels would simulate the original step."""

    def five_times(step):
        def stepped(action):
            state, reward, *rest = step(action)
            return (state, 5.0 * reward, *rest)

        return stepped

    lake = gymnasium.make("FrozenLake-v1", is_slippery=False)
    for env in (lake, clew.Environment(), clew.ModelEnvironment(clew.Environment().mdp)):
        env.unwrapped.step = five_times(env.unwrapped.step)
        assert clew.train_policy(env, 300, alpha=1.0).q.max() == 5.0
        with pytest.raises(ModelError, match="or its step was replaced"):
            solve(env)
    with pytest.raises(ModelError, match="was replaced, so its table P may not describe"):
        FiniteMDP.from_gymnasium(lake)


def test_a_subclass_and_a_strange_wrapper_have_no_model_and_another_observation_has():
    class Sub(clew.Environment):
        pass

    for env in (Sub(), RecordEpisodeStatistics(clew.Environment())):
        with pytest.raises(ModelError, match=r"may not follow its model mdp.* pass env.unwrapped.mdp"):
            solve(env)
    assert solve(gymnasium.make("clew/Maze-v0", observation="planes")).steps == 8.0


def test_a_stranger_with_a_table_can_be_solved_but_is_stepped_through():
    """It may not follow its table, so it is stepped in Python; from_gymnasium uses the table."""
    env = Generous(is_slippery=False)
    with pytest.raises(ModelError, match=r"Generous may not follow its model P.* pass clew.FiniteMDP.from_gymn"):
        solve(env, gamma=1.0)
    assert solve(FiniteMDP.from_gymnasium(env), gamma=1.0).value == 1.0
    assert as_compiled(env) is None


# Known answers --------------------------------------------------------------------------------------------------------

# (optimal return without a step limit, step limit, optimal return with it)
OPTIMA = {
    "FrozenLake 4x4": (14 / 17, 100, 0.744190),
    "FrozenLake 8x8": (1.0, 200, 0.913220),
    "Taxi": (7.93, 200, 7.93),
    "CliffWalking": (-13.0, 100, -13.0),
    "CliffWalking, slippery": (-64.709176, 4800, -64.709176),
}


@pytest.mark.parametrize("name", OPTIMA)
def test_optima_are_those_that_are_known(name):
    env, (without, horizon, within) = make(name), OPTIMA[name]
    assert env.spec.max_episode_steps in (horizon, None)
    solution = solve(env, gamma=1.0)
    assert solution.value == pytest.approx(without, abs=1e-6)
    assert solution.bound <= 1e-6
    assert solve(env, gamma=1.0, horizon=horizon).value == pytest.approx(within, abs=1e-6)


FALLING = {"alpha_schedule": "exponential"}
LEARNED = {
    "FrozenLake 4x4": (30_000, {"gamma": 0.99, "epsilon": 0.5, "alpha": 0.1, "alpha_last": 0.001, **FALLING}),
    "Taxi": (20_000, {"gamma": 1.0, "alpha": 1.0}),
    "CliffWalking": (2000, {"gamma": 1.0, "alpha": 1.0}),
    "CliffWalking, slippery": (
        20_000,
        {"gamma": 1.0, "epsilon": 0.2, "alpha": 0.1, "alpha_last": 0.001, **FALLING},
    ),
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", LEARNED)
def test_q_learning_comes_to_them(name, seed):
    """In 10,000 greedy episodes, within three standard errors and 1% of the optimum with the step limit."""
    env, (num_episodes, settings) = make(name), LEARNED[name]
    policy = train_policy(env, num_episodes, seed=seed, **settings)
    grade = evaluate_policy(env, policy, 10_000, gamma=settings["gamma"], seed=seed)
    low, high = grade.mean_return_interval
    optimum = OPTIMA[name][2]
    assert abs(grade.mean_return - optimum) <= 3 * (high - low) / (2 * 1.96) + 0.01 * abs(optimum)


def within(mdp, q, horizon):
    """Return the exact expected return of the greedy policy of q in a given number of steps."""
    greedy = q == q.max(axis=1, keepdims=True)
    greedy = greedy / greedy.sum(axis=1, keepdims=True)
    model, v = mdp.model, np.zeros(mdp.num_states)
    pairs = np.repeat(np.arange(greedy.size), np.diff(model.offsets))
    for _ in range(horizon):
        gains = model.probabilities * (model.rewards + np.where(model.terminated, 0.0, v[model.next_states]))
        v = (greedy * np.bincount(pairs, gains, minlength=greedy.size).reshape(greedy.shape)).sum(axis=1)
    return v[mdp.starts].mean()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_on_the_8x8_lake_a_policy_that_sees_no_clock_comes_to_what_planning_without_one_does(seed):
    """0.8936 in 200 steps, as the optimum for gamma 0.995; 0.9132 needs a policy that observes the time."""
    env = make("FrozenLake 8x8")
    mdp = FiniteMDP.from_gymnasium(env)
    settings = {"gamma": 0.995, "epsilon": 0.3, "alpha": 0.3, "alpha_last": 0.0003, **FALLING}
    policy = train_policy(env, 200_000, seed=seed, **settings)
    planned = within(mdp, solve(env, gamma=0.995).q, 200)
    assert planned == pytest.approx(0.893568, abs=1e-6)
    assert within(mdp, policy.q, 200) > 0.99 * planned


def with_a_clock(env, limit):
    """Make a model with the time in the state, step * num_states + s, from a function."""
    table, mdp = env.unwrapped.P, FiniteMDP.from_gymnasium(env)
    n = mdp.num_states
    goes_on = np.diff(mdp.model.offsets[:: mdp.num_actions]) > 0

    def outcomes(s, a):
        t, place = divmod(s, n)
        last = t == limit - 1
        rows = table[place][a] if goes_on[place] else []
        return [(p, (t if last else t + 1) * n + there, reward, ends or last) for p, there, reward, ends in rows]

    return FiniteMDP.from_function(n * limit, mdp.num_actions, outcomes, starts=mdp.starts)


@pytest.mark.parametrize("name", ["FrozenLake 4x4", "FrozenLake 8x8", "Taxi"])
def test_a_clock_in_the_state_is_the_same_as_a_horizon(name):
    env, limit = make(name), {"Taxi": 20}.get(name, OPTIMA[name][1])
    clock = solve(with_a_clock(env, limit), gamma=1.0)
    assert clock.value == pytest.approx(solve(env, gamma=1.0, horizon=limit).value, abs=1e-6)


@pytest.mark.long
def test_with_a_clock_q_learning_comes_to_99_percent_on_the_8x8_lake():
    world = with_a_clock(make("FrozenLake 8x8"), 200)
    settings = {"gamma": 1.0, "epsilon": 0.3, "alpha": 0.5, "alpha_last": 0.003, **FALLING}
    policy = train_policy(world, 2_000_000, seed=0, **settings)
    assert clew.policy_values(world, policy, gamma=1.0).value > 0.99 * 0.913220


# SpaceIndex and as_discrete -------------------------------------------------------------------------------------------

SPACES = {
    "Discrete": Discrete(5),
    "Discrete from 3": Discrete(5, start=3),
    "Discrete from -2": Discrete(4, start=-2),
    "MultiDiscrete": MultiDiscrete([3, 1, 4]),
    "MultiDiscrete with starts": MultiDiscrete([3, 2], start=[-1, 7]),
    "MultiDiscrete, 2-d": MultiDiscrete(np.array([[2, 3], [1, 4]])),
    "MultiBinary": MultiBinary(4),
    "MultiBinary, 2-d": MultiBinary((2, 3)),
    "Tuple": Tuple((Discrete(3), Discrete(2, start=1))),
    "Dict": Dict({"there": Discrete(3), "here": MultiBinary(2)}),
    "nested": Dict({"b": Tuple((Discrete(2), Dict({"x": MultiDiscrete([2, 2])}))), "a": Discrete(3, start=1)}),
    "empty": Tuple(()),
    "unsigned": MultiDiscrete([3, 3], dtype=np.uint8),
}


def plain(element):
    """Convert an element to Python types, which compare with ==."""
    if isinstance(element, dict):
        return {key: plain(value) for key, value in element.items()}
    if isinstance(element, tuple):
        return tuple(map(plain, element))
    return np.asarray(element).tolist()


@pytest.mark.parametrize("name", SPACES)
def test_every_number_is_an_element_and_back(name):
    index = SpaceIndex(SPACES[name])
    elements = [index.decode(number) for number in range(index.n)]
    assert all(element in index.space for element in elements)
    assert [index.encode(element) for element in elements] == list(range(index.n))
    assert all(plain(a) != plain(b) for i, a in enumerate(elements) for b in elements[:i])
    index.space.seed(0)
    for _ in range(50):
        element = index.space.sample()
        assert plain(index.decode(index.encode(element))) == plain(element)


def test_numbers_by_hand():
    assert SpaceIndex(MultiDiscrete([3, 5, 4])).encode([2, 1, 3]) == (2 * 5 + 1) * 4 + 3
    assert SpaceIndex(Discrete(5, start=3)).decode(0) == 3
    assert SpaceIndex(Tuple((Discrete(32), Discrete(11), Discrete(2)))).encode((14, 10, 1)) == (14 * 11 + 10) * 2 + 1
    assert (
        SpaceIndex(Dict({"b": Discrete(2), "a": Discrete(3)})).encode({"b": 1, "a": 2}) == 2 * 2 + 1
    )  # keys are sorted: a is first


@pytest.mark.parametrize("number", [-1, 60, 1.0, True, None, "1", np.nan])
def test_what_is_no_number_of_an_element_is_refused(number):
    with pytest.raises(SettingError, match=r"elements of the space are numbered 0\.\.59"):
        SpaceIndex(MultiDiscrete([3, 5, 4])).decode(number)


def test_elements_without_a_text_are_refused():
    with pytest.raises(SettingError, match=r"^an int is not in the space Discrete\(2\)"):
        SpaceIndex(Discrete(2)).encode(10**5000)
    with pytest.raises(SettingError, match=r"^a tuple is not in the space Tuple"):
        SpaceIndex(Tuple((Discrete(2),))).encode((10**5000,))


@pytest.mark.parametrize(
    ("name", "element"),
    [
        ("Discrete", 5),
        ("Discrete", -1),
        ("Discrete", 1.0),
        ("Discrete", None),
        ("Discrete from 3", 2),
        ("Discrete from 3", 8),
        ("MultiDiscrete", [3, 0, 0]),
        ("MultiDiscrete", [0, 0]),
        ("MultiDiscrete", [0.0, 0.0, 0.0]),
        ("MultiDiscrete", "abc"),
        ("MultiDiscrete, 2-d", [0, 0, 0, 0]),
        ("MultiBinary", [0, 1, 2, 0]),
        ("Tuple", (0,)),
        ("Tuple", (0, 1, 0)),
        ("Tuple", 3),
        ("Dict", {"here": [0, 1]}),
        ("Dict", {"here": [0, 1], "there": 0, "nowhere": 0}),
        ("Dict", (0, [0, 1])),
    ],
)
def test_what_is_no_element_is_refused(name, element):
    with pytest.raises(SettingError, match="is not in the space"):
        SpaceIndex(SPACES[name]).encode(element)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (Box(0.0, 1.0), r"the space Box.* is not finite; tables need Discrete.*wrapper"),
        (Text(3), "Text"),
        (Sequence(Discrete(2)), "Sequence"),
        (Graph(Discrete(2), None), "Graph"),
        (Tuple((Discrete(2), Box(0.0, 1.0))), "the space Box"),
        (MultiBinary(31), "more than 2,147,483,647 elements"),
        (MultiBinary(10**6), "more than"),
        (MultiDiscrete([2**16, 2**15]), "more than"),
        (Discrete(2**31), "more than"),
    ],
)
def test_infinite_and_huge_spaces_are_refused(space, message):
    with pytest.raises(SettingError, match=message):
        SpaceIndex(space)


def test_spaces_at_the_limit_are_taken():
    assert SpaceIndex(MultiBinary(30)).n == 2**30
    index = SpaceIndex(Discrete(2**31 - 1))
    assert index.encode(index.decode(2**31 - 2)) == 2**31 - 2


class Lights(gymnasium.Env):
    """Three lamps; an action, (which, on or off), switches one. An episode ends when all are on."""

    observation_space = MultiBinary(3)
    action_space = Dict({"lamp": Discrete(3, start=1), "on": Discrete(2)})

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.lamps = self.np_random.integers(0, 2, 3).astype(np.int8)
        self.lamps[0] = 0
        return self.lamps.copy(), {}

    def step(self, action):
        self.lamps[action["lamp"] - 1] = action["on"]
        return self.lamps.copy(), -1.0, bool(self.lamps.all()), False, {}


def test_an_environment_of_parts_is_one_of_integers():
    env = as_discrete(Lights())
    assert (env.observation_space, env.action_space) == (Discrete(8), Discrete(6))
    with pytest.warns(UserWarning, match="different from the unwrapped version"):  # the checker's only warning
        check_env(env, skip_render_check=True)
    state, _ = env.reset(seed=0)
    assert plain(env.observation_index.decode(state)) == env.unwrapped.lamps.tolist()
    action = env.action_index.encode({"lamp": 1, "on": 1})
    assert env.action_index.decode(action) == {"lamp": 1, "on": 1}
    state, reward, *_ = env.step(action)
    assert env.observation_index.decode(state)[0] == 1
    assert reward == -1.0
    policy = train_policy(env, 300, alpha=1.0, gamma=1.0, seed=0)
    grade = evaluate_policy(env, policy, 100)
    assert (grade.terminated_rate, grade.success_rate) == (1.0, None)
    assert 1.0 < grade.mean_steps < 2.5  # two are missing on average


def test_integers_from_0_need_no_wrapper():
    env = gymnasium.make("FrozenLake-v1")
    assert as_discrete(env) is env
    with pytest.raises(SettingError, match="got a FiniteMDP"):
        as_discrete(FiniteMDP.from_gymnasium(env))


@pytest.mark.parametrize("env_id", ["CartPole-v1", "MountainCar-v0"])
def test_an_environment_of_numbers_is_refused(env_id):
    with pytest.raises(SettingError, match="the observation space Box"):
        as_discrete(gymnasium.make(env_id))


def test_blackjack_is_learned_through_its_steps():
    """Stick on 20 and 21, hit on 11 or less; a careless player loses 0.4 a game, and a good one about 0.05."""
    env = as_discrete(gymnasium.make("Blackjack-v1"))
    assert isinstance(env, Indexed)
    assert env.observation_space == Discrete(704)
    assert env.observation_index.decode((14 * 11 + 8) * 2) == (14, 8, 0)
    policy = train_policy(env, 25_000, alpha=0.05, alpha_last=0.001, gamma=1.0, epsilon=0.3, seed=1, **FALLING)
    for dealer in range(1, 11):
        assert policy.q[env.observation_index.encode((20, dealer, 0))].argmax() == 0
        assert policy.q[env.observation_index.encode((11, dealer, 0))].argmax() == 1
    grade = evaluate_policy(env, policy, 3000, gamma=1.0)
    assert grade.mean_return > -0.15
    assert grade.optimal_return is None


def test_frozen_lake_stepped_and_compiled_are_graded_alike():
    """Returns of a policy in the environment and in its model agree within four standard errors."""
    env = gymnasium.make("FrozenLake-v1")
    policy = train_policy(env, 20_000, gamma=0.99, epsilon=0.5, seed=0)
    here = evaluate_policy(env, policy, 20_000, gamma=0.99)
    there = evaluate_policy(only_steps(env), policy, 2000, gamma=0.99)
    assert here.mean_return == pytest.approx(there.mean_return, abs=4 * np.sqrt(0.25 / 2000))
    assert here.mean_steps == pytest.approx(there.mean_steps, abs=4 * 30 / np.sqrt(2000))


# By name --------------------------------------------------------------------------------------------------------------


def test_make_gymnasium_gives_what_can_be_trained():
    assert as_compiled(make_gymnasium("FrozenLake-v1", is_slippery=False)) is not None
    assert isinstance(make_gymnasium("Blackjack-v1"), Indexed)
    assert make_gymnasium("Taxi-v4", max_episode_steps=5).spec.max_episode_steps == 5
    assert as_compiled(make_gymnasium("Taxi-v4", max_episode_steps=5)).max_episode_steps == 5


@pytest.mark.parametrize(
    ("env_id", "settings", "message"),
    [
        ("FrozenLake-v7", {}, "has no environment 'FrozenLake-v7'; similar IDs are FrozenLake-v1"),
        ("frozenlake-v1", {}, "similar IDs are FrozenLake-v1"),
        ("TAXI-V4", {}, "similar IDs are Taxi-v4"),
        ("Taxi", {}, "similar IDs are Taxi-v4"),
        ("Taxi-v3", {}, "similar IDs are Taxi-v4"),
        ("Cliffwalk-v1", {}, "similar IDs are CliffWalking-v1"),
        ("qqqqqqqq", {}, r"has no environment 'qqqqqqqq'; gymnasium\.pprint_registry"),
        ("", {}, "has no environment ''"),
        ("nowhere:Taxi-v4", {}, "nowhere:Taxi-v4 can't be made: ModuleNotFoundError"),
        ("FrozenLake-v1", {"slippery": True}, "FrozenLake-v1 can't be made: TypeError: .*slippery"),
        ("FrozenLake-v1", {"map_name": "9x9"}, "FrozenLake-v1 can't be made: KeyError: '9x9'"),
        ("CartPole-v1", {}, "the observation space Box.* is not finite"),
        (None, {}, "expected the ID of an environment, such as 'FrozenLake-v1', got None"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(env_id, settings, message):
    with pytest.raises(SettingError, match=message):
        make_gymnasium(env_id, **settings)
