"""Every argument of the public interface in turn, with values that make no sense.

A call either answers correctly, or raises an error of Clew that names the argument (for worlds and policies: that says
what was expected, and what came). TypeError is right only where Python itself refuses the call.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numba
import numpy as np
import pytest

import clew
from clew import book, runs
from clew.distributed.blocks import BlockWorld
from clew.kernels.sampling import new_stream
from clew.learning.checkpoints import Checkpoints
from clew.learning.settings import LearningSettings
from clew.mazes.formats import read_scenarios
from clew.reference import QLearning
from clew.runs import train_run
from clew.runs.storage import create_partial_folder
from clew.tracing.trace import Trace

if numba.config.DISABLE_JIT:  # its worlds are trained when the module is imported, and the checks are not kernels
    pytest.skip("arguments are checked outside of the kernels", allow_module_level=True)

# Sound worlds, which no call changes ----------------------------------------------------------------------------------

MAZE = clew.Maze.open(2, 3)
ENV = clew.Environment(MAZE)
MDP = ENV.mdp.to_sparse()
POLICY = clew.Policy(ENV)
SOLUTION = clew.solve(MAZE)
STATISTICS = clew.policy_statistics(ENV, SOLUTION)
TRAJECTORY = clew.Simulation(ENV).rollouts(SOLUTION.q, 1, exploration=0.0, stream=new_stream(1))
CONFIG = clew.TrainingConfig(maze="2x3", num_episodes=2, num_simulations=1)
RUN = train_run(CONFIG)
ROWS = MDP.model
P = np.array([[[0.0, 1.0]], [[0.0, 1.0]]])


def nonsense() -> dict[str, Any]:
    """Return the nonsense by name; made again for each argument, since a call may change it."""
    return {
        "None": None,
        "True": True,
        "-1": -1,
        "0": 0,
        "1": 1,
        "1.5": 1.5,
        "nan": float("nan"),
        "inf": float("inf"),
        "10**30": 10**30,
        "10**5000": 10**5000,
        "-10**5000": -(10**5000),
        "1e300": 1e300,
        "''": "",
        "'abc'": "abc",
        "'1'": "1",
        "'a NUL'": "a\0b",
        "[]": [],
        "[1, [2]]": [1, [2]],
        "[None]": [None],
        "[[1, 2]]": [[1, 2]],
        "(0, 0)": (0, 0),
        "{}": {},
        "{'a': 1}": {"a": 1},
        "object()": object(),
        "b'x'": b"x",
        "1j": 1j,
        "text array": np.array(["a"]),
        "object array": np.array([[1, 2], [3, 4]], object),
        "dates": np.array(["2020-01-01"], "datetime64[D]"),
        "NaNs": np.full((6, 4), np.nan),
        "a lambda": lambda: None,
        "a class": dict,
        "Path('.')": Path("."),
        "a maze": MAZE,
        "an environment": ENV,
        "a policy": POLICY,
        "a trajectory": TRAJECTORY,
    }


# Sound calls ----------------------------------------------------------------------------------------------------------


class Call(NamedTuple):
    """A sound call of a public function, whose arguments are replaced in turn.

    Attributes:
        name: of the function.
        make: returns the function and all of its arguments, made anew for each call.
        takes_all: names of arguments for which any object is right, or which another library checks.
    """

    name: str
    make: Callable[[], tuple[Callable[..., Any], dict[str, Any]]]
    takes_all: tuple[str, ...] = ()


def world_settings() -> dict[str, Any]:
    return {
        "random_start": False,
        "random_goal": False,
        "starts": None,
        "goal_reward": 1.0,
        "step_reward": 0.0,
        "outer_wall_reward": 0.0,
        "hazard_reward": -1.0,
        "slip": 0.0,
        "exit_action": False,
        "moves": "four",
        "max_episode_steps": 9,
        "render_mode": None,
    }


def learning_settings() -> dict[str, Any]:
    defaults = clew.Learning()
    return {name: getattr(defaults, name) for name in LearningSettings.__annotations__}


def training() -> dict[str, Any]:
    return {
        "env": ENV,
        "num_episodes": 2,
        "seed": 0,
        "policy": None,
        "callback": None,
        "watch": None,
        "trace": Trace(),
        "checkpoints": Checkpoints(None),
        **learning_settings(),
    }


def plots(**more: Any) -> dict[str, Any]:
    return {"runs": [RUN.metrics, RUN.metrics], "figure": "mean_steps", "optimum": 3.0, "title": "a title", **more}


def config_arguments() -> dict[str, Any]:
    return CONFIG.to_dict()


def trajectory_columns() -> dict[str, Any]:
    return {
        "state": np.array([0]),
        "action": np.array([3]),
        "reward": np.array([0.0]),
        "next_state": np.array([1]),
        "terminated": np.array([False]),
        "truncated": np.array([True]),
    }


def begun(env: Any) -> Any:
    env.reset(seed=0)
    return env


def fresh() -> clew.Environment:
    return begun(clew.Environment(MAZE))


def vector() -> clew.MazeVectorEnv:
    return begun(clew.MazeVectorEnv(2, MAZE))


def trainer() -> clew.Trainer:
    return clew.Trainer(ENV)


def grid_settings() -> dict[str, Any]:
    names = ("slip", "goal_reward", "step_reward", "outer_wall_reward", "hazard_reward")
    return {"cells": MAZE.cells, "starts": [0], "moving_goal": False, **dict.fromkeys(names, 0.0)}


def coin(state: int, action: int) -> list[Any]:
    return [(1.0, 1, 1.0, True)] if state == 0 else []


def coins(states: Any, actions: Any) -> Any:
    return 0 * states + 1, 1.0 * (states == 0), 1.0 + actions


def transitions() -> dict[str, Any]:
    return {"state": [0], "action": [0], "next_state": [1], "probability": [1.0], "reward": [1.0]}


def agent() -> QLearning:
    return QLearning(np.zeros((6, 4), np.float32), np.random.default_rng(0))


def drawing() -> Any:
    return clew.draw(MAZE, POLICY)


def small_experiment() -> clew.Experiment:
    return clew.Experiment({"a": "2x3"}, {"b": {}}, [0, 1], num_episodes=2)


def small_sweep() -> clew.Sweep:
    return clew.Sweep("2x3", {"alpha": [0.1, 0.5]}, num_episodes=2, seeds=[0, 1], fresh_seeds=[2, 3])


SWEPT = small_sweep().run(num_threads=1)


def solve_blocks() -> dict[str, Any]:
    return {"env": ENV, "gamma": 0.9, "tolerance": 1e-3, "num_blocks": 1, "num_actors": 0}


def blocks() -> BlockWorld:
    return BlockWorld(ENV, 2).__enter__()  # holds the blocks in this process, and nothing has to be closed


def learned_blocks() -> BlockWorld:
    world = blocks()
    world.solve()
    world.train(2, num_rounds=1)
    return world


def scenarios(path: Any) -> Any:
    try:
        return read_scenarios(path)
    except OSError as error:  # as documented
        raise clew.MazeError(f"{path}: {error.strerror}") from None


def saved_checkpoints(**arguments: Any) -> None:
    with runs.save_checkpoints(**arguments):
        pass


CALLS = [
    Call(
        "register_algorithm",
        lambda: (clew.register_algorithm, {"row": replace(clew.ALGORITHMS["sarsa"], name="nonsense:sarsa")}),
    ),
    Call(
        "register_behaviour",
        lambda: (clew.register_behaviour, {"name": "nonsense:greedy", "row": clew.BEHAVIOURS["greedy"]}),
    ),
    Call("Environment", lambda: (clew.Environment, {"maze": MAZE, **world_settings()})),
    Call("Environment.encode", lambda: (ENV.encode, {"position": (0, 0), "goal": (1, 2)}), ("goal",)),
    Call("Environment.frame", lambda: (ENV.frame, {})),
    Call("Environment.is_terminal", lambda: (ENV.is_terminal, {"states": np.array([0, 5])})),
    Call("Environment.render", lambda: (clew.Environment(MAZE, render_mode="ansi").render, {})),
    Call("Environment.render_state", lambda: (clew.Environment(MAZE, render_mode="ansi").render_state, {"state": 0})),
    Call("Environment.reset", lambda: (fresh().reset, {"seed": 0, "options": None})),
    Call("Environment.step", lambda: (fresh().step, {"action": 0})),
    Call(
        "FiniteMDP.from_arrays",
        lambda: (
            clew.FiniteMDP.from_arrays,
            {"P": P, "R": np.zeros((2, 1)), "terminal": np.array([False, True]), "starts": np.array([0])},
        ),
    ),
    Call(
        "FiniteMDP.from_function",
        lambda: (clew.FiniteMDP.from_function, {"num_states": 2, "num_actions": 1, "f": coin, "starts": np.array([0])}),
    ),
    Call(
        "FiniteMDP.from_gymnasium",
        lambda: (clew.FiniteMDP.from_gymnasium, {"env": gymnasium.make("FrozenLake-v1"), "action_mask": False}),
    ),
    Call("FiniteMDP.from_table", lambda: (clew.FiniteMDP.from_table, {"table": transitions(), "starts": [0]})),
    Call(
        "FiniteMDP.from_transitions",
        lambda: (
            clew.FiniteMDP.from_transitions,
            {
                **{name: column for name, column in trajectory_columns().items() if name != "truncated"},
                "num_states": 2,
                "num_actions": 4,
                "starts": [0],
                "reward_range": (0.0, 1.0),
                "confidence": 0.9,
            },
        ),
    ),
    Call(
        "FiniteMDP.from_vectorized",
        lambda: (
            clew.FiniteMDP.from_vectorized,
            {"num_states": 2, "num_actions": 1, "function": coins, "starts": np.array([0])},
        ),
    ),
    Call("FiniteMDP.read_csv", lambda: (clew.FiniteMDP.read_csv, {"path": "sound.csv", "starts": [0]})),
    Call("FiniteMDP.with_labels", lambda: (MDP.with_labels, {"states": list("abcdef"), "actions": list("dlur")})),
    Call("FiniteMDP.grid", lambda: (clew.FiniteMDP.grid, grid_settings())),
    Call("FiniteMDP.load", lambda: (clew.FiniteMDP.load, {"path": "sound.npz"})),
    Call("FiniteMDP.save", lambda: (MDP.save, {"path": "new.npz"})),
    Call(
        "FiniteMDP.sparse",
        lambda: (
            clew.FiniteMDP.sparse,
            {name: getattr(ROWS, name) for name in ("offsets", "probabilities", "next_states", "rewards", "terminated")}
            | {"num_actions": 4, "starts": [0]},
        ),
    ),
    Call("FiniteMDP.to_bytes", lambda: (MDP.to_bytes, {})),
    Call("FiniteMDP.to_sparse", lambda: (ENV.mdp.to_sparse, {})),
    Call("Learning", lambda: (clew.Learning, learning_settings())),
    Call(
        "Maze",
        lambda: (
            clew.Maze,
            {"cells": MAZE.cells, "start": (0, 0), "exits": {(0, 1): 1.0}, "cell_rewards": {(1, 0): 0.5}},
        ),
    ),
    Call("Maze.distances", lambda: (MAZE.distances, {"goal": (0, 0)})),
    Call(
        "Maze.from_array",
        lambda: (clew.Maze.from_array, {"blocked": np.zeros((2, 2), bool), "start": (0, 0), "goal": (1, 1)}),
    ),
    Call("Maze.from_lists", lambda: (clew.Maze.from_lists, {"rows": ["SF", "FG"]})),
    Call("Maze.from_text", lambda: (clew.Maze.from_text, {"text": "S.\n.G"})),
    Call(
        "Maze.load",
        lambda: (
            clew.Maze.load,
            {
                "path": "sound.txt",
                "start": (0, 0),
                "goal": None,
                "scenario": None,
                "unknown_walls": "wall",
                "cell_size": 1,
            },
        ),
    ),
    Call(
        "Maze.open",
        lambda: (
            clew.Maze.open,
            {"rows": 3, "columns": 3, "start": (0, 0), "goal": (2, 2), "obstacles": [(1, 1)], "hazards": [(0, 1)]}
            | {"exits": {(1, 0): -1.0}, "cell_rewards": {(2, 0): 0.5}},
        ),
    ),
    Call("Maze.painted", lambda: (MAZE.painted, {"places": [(0, 1)], "kind": "exit", "reward": 1.0})),
    Call("Maze.regions", lambda: (MAZE.regions, {})),
    Call("Maze.save", lambda: (MAZE.save, {"path": "new.txt", "cell_size": 1})),
    Call("Maze.to_lists", lambda: (MAZE.to_lists, {})),
    Call("Maze.to_text", lambda: (MAZE.to_text, {})),
    Call("Maze.with_rewards", lambda: (MAZE.with_rewards, {"exits": {(0, 1): 1.0}, "cell_rewards": {(1, 0): 0.5}})),
    Call("Maze.with_ends", lambda: (MAZE.with_ends, {"start": (0, 0), "goal": (0, 1)})),
    Call(
        "MazeVectorEnv",
        lambda: (
            clew.MazeVectorEnv,
            {
                "num_envs": 2,
                "maze": MAZE,
                "observation": "index",
                "autoreset_mode": "NextStep",
                "copy": True,
                **world_settings(),
            },
        ),
    ),
    Call("MazeVectorEnv.render", lambda: (begun(clew.MazeVectorEnv(2, MAZE, render_mode="ansi")).render, {})),
    Call("MazeVectorEnv.reset", lambda: (vector().reset, {"seed": 0, "options": None})),
    Call("MazeVectorEnv.step", lambda: (vector().step, {"actions": np.array([0, 1])})),
    Call(
        "ModelEnvironment",
        lambda: (
            clew.ModelEnvironment,
            {"mdp": MDP, "max_episode_steps": 9, "actions": ("a", "b", "c", "d"), "has_goal": False},
        ),
    ),
    Call("ModelEnvironment.is_terminal", lambda: (clew.ModelEnvironment(MDP).is_terminal, {"states": np.array([0])})),
    Call("ModelEnvironment.reset", lambda: (begun(clew.ModelEnvironment(MDP)).reset, {"seed": 0, "options": None})),
    Call("ModelEnvironment.step", lambda: (begun(clew.ModelEnvironment(MDP)).step, {"action": 0})),
    Call(
        "Moves",
        lambda: (
            clew.Moves,
            {"name": "two", "actions": ("a", "b"), "moves": ((clew.mazes.Move(0, 1), clew.mazes.Move(1, 0)),)},
        ),
    ),
    Call("Moves.of", lambda: (clew.Moves.of, {"name": "two", "moves": {"a": (0, 1), "b": (1, 0)}})),
    Call("Moves.sides", lambda: (clew.mazes.MOVES["four"].sides, {})),
    Call("Policy", lambda: (clew.Policy, {"env": ENV, "seed": 0, "q": np.zeros((6, 4))})),
    Call("Policy.action", lambda: (POLICY.action, {"state": 0})),
    Call("Policy.from_actions", lambda: (clew.Policy.from_actions, {"env": ENV, "actions": [0] * 6, "seed": 0})),
    Call(
        "Policy.from_probabilities",
        lambda: (clew.Policy.from_probabilities, {"env": ENV, "probabilities": np.full((6, 4), 0.25), "seed": 0}),
    ),
    Call("Policy.load", lambda: (clew.Policy.load, {"path": "sound_policy.npz", "seed": 0})),
    Call("Policy.probabilities", lambda: (POLICY.probabilities, {"epsilon": 0.1})),
    Call("Policy.read_csv", lambda: (clew.Policy.read_csv, {"env": ENV, "path": "sound_policy.csv", "seed": 0})),
    Call("Policy.save", lambda: (POLICY.save, {"path": "new.npz"})),
    Call("Policy.to_csv", lambda: (POLICY.to_csv, {"path": "new.csv", "values": np.zeros(6)})),
    Call("Policy.get_action", lambda: (clew.Policy(ENV).get_action, {"state": 0, "explore": True, "epsilon": 0.1})),
    Call("Policy.greedy_actions", lambda: (POLICY.greedy_actions, {})),
    Call("Simulation", lambda: (clew.Simulation, {"env": ENV})),
    Call(
        "Simulation.rollout",
        lambda: (
            clew.Simulation(fresh()).rollout,
            {"policy": clew.Policy(ENV, q=SOLUTION.q), "render": False, "explore": False, "epsilon": 0.1},
        ),
    ),
    Call(
        "Simulation.rollouts",
        lambda: (
            clew.Simulation(ENV).rollouts,
            {
                "policy": SOLUTION.q.astype(np.float32),
                "num_episodes": 1,
                "behaviour": "epsilon-greedy",
                "exploration": 0.1,
                "visits": None,
                "exploring_starts": False,
                "starts": np.array([0], np.int32),
                "stream": new_stream(1),
            },
        ),
    ),
    Call(
        "Simulation.rollouts, ucb",
        lambda: (
            clew.Simulation(ENV).rollouts,
            {
                "policy": SOLUTION.q.astype(np.float32),
                "num_episodes": 1,
                "behaviour": "ucb",
                "exploration": 0.1,
                "visits": np.zeros((6, 4), np.int32),
                "stream": new_stream(1),
            },
        ),
    ),
    Call(
        "Trainer",
        lambda: (
            clew.Trainer,
            {"env": ENV, "num_episodes": 2, "seed": 0, "policy": None, "counted": False, **learning_settings()},
        ),
    ),
    Call("Trainer.change_world", lambda: (trainer().change_world, {"env": ENV})),
    Call("Trainer.learn", lambda: (trainer().learn, {"num_episodes": 1})),
    Call("Trainer.step", lambda: (trainer().step, {})),
    Call("TrainingConfig", lambda: (clew.TrainingConfig, config_arguments())),
    Call("TrainingConfig.from_dict", lambda: (clew.TrainingConfig.from_dict, {"settings": {"alpha": 0.5}})),
    Call("TrainingConfig.make_environment", lambda: (CONFIG.make_environment, {"maze": MAZE})),
    Call("TrainingConfig.make_maze", lambda: (CONFIG.make_maze, {})),
    Call(
        "TrainingConfig.read_model",
        lambda: (clew.TrainingConfig(**CONFIG.to_dict() | {"maze": "sound.npz"}).read_model, {}),
    ),
    Call("TrainingConfig.to_dict", lambda: (CONFIG.to_dict, {})),
    Call("Trajectory", lambda: (clew.Trajectory, trajectory_columns())),
    Call(
        "Trajectory.from_transitions",
        lambda: (clew.Trajectory.from_transitions, {"transitions": [clew.Transition(0, 3, 0.0, 1, False, True)]}),
    ),
    Call("as_discrete", lambda: (clew.as_discrete, {"env": ENV})),
    Call(
        "draw",
        lambda: (
            clew.draw,
            {
                "world": MAZE,
                "what": POLICY,
                "show": "values",
                "path": [(0, 0)],
                "optimal": [(0, 0)],
                "title": "a title",
            },
        ),
    ),
    Call(
        "draw, visits",
        lambda: (
            clew.draw,
            {"world": ENV, "what": TRAJECTORY, "show": None, "path": True, "optimal": SOLUTION, "title": None},
        ),
    ),
    Call("Drawing.pixels", lambda: (drawing().pixels, {"max_side": 64})),
    Call("Drawing.text", lambda: (drawing().text, {"width": 80})),
    Call("Drawing.save", lambda: (drawing().save, {"path": "new.svg"})),
    Call(
        "evaluate_policy",
        lambda: (
            clew.evaluate_policy,
            {
                "env": ENV,
                "policy": POLICY,
                "num_episodes": 2,
                "gamma": 0.9,
                "seed": 0,
                "starts": [0],
                "optimum": SOLUTION,
            },
        ),
    ),
    Call(
        "evaluate_values",
        lambda: (
            clew.evaluate_values,
            {"world": ENV, "policy": SOLUTION.q, "gamma": 0.9, "starts": [0], "optimum": SOLUTION},
        ),
    ),
    Call(
        "generate_maze",
        lambda: (
            clew.generate_maze,
            {
                "kind": "rooms",
                "rows": 3,
                "columns": 4,
                "seed": 0,
                "start": (0, 0),
                "goal": (2, 3),
                "room": 2,
                "braid": 0.5,
            },
        ),
    ),
    Call(
        "generate_maze, random",
        lambda: (clew.generate_maze, {"kind": "random", "rows": 3, "columns": 4, "density": 0.5}),
    ),
    Call(
        "make_gymnasium",
        lambda: (clew.make_gymnasium, {"env_id": "FrozenLake-v1", "is_slippery": False}),
        ("is_slippery",),
    ),
    Call("plot_learning", lambda: (clew.plot_learning, plots())),
    Call("plot_regret", lambda: (clew.plot_regret, plots())),
    Call("plot_steps_to_optimal", lambda: (clew.plot_steps_to_optimal, plots(tolerance=0.5))),
    Call(
        "policy_gain",
        lambda: (clew.policy_gain, {"world": MDP, "policy": POLICY, "epsilon": 0.1, "tolerance": 1e-6}),
    ),
    Call(
        "policy_statistics",
        lambda: (clew.policy_statistics, {"world": ENV, "policy": POLICY, "gamma": 0.9, "epsilon": 0.1}),
    ),
    Call("PolicyStatistics.hitting_times", lambda: (STATISTICS.hitting_times, {"states": [1]})),
    Call("PolicyStatistics.hitting_probabilities", lambda: (STATISTICS.hitting_probabilities, {"states": [1]})),
    Call("policy_steps", lambda: (clew.policy_steps, {"world": ENV, "policy": POLICY, "epsilon": 0.1})),
    Call(
        "policy_values",
        lambda: (
            clew.policy_values,
            {"world": ENV, "policy": POLICY, "gamma": 0.9, "epsilon": 0.1, "tolerance": 1e-3, "horizon": 2},
        ),
    ),
    Call(
        "run_agent",
        lambda: (
            clew.run_agent,
            {"agent": agent(), "env": ENV, "num_episodes": 2, "seed": 0, "callback": None, "watch": None},
        ),
    ),
    Call("show_progress", lambda: (clew.show_progress, {"what": "learning"})),
    Call("solve_average", lambda: (clew.solve_average, {"world": MDP, "tolerance": 1e-6})),
    Call("solve", lambda: (clew.solve, {"world": ENV, "gamma": 0.9, "tolerance": 1e-3, "method": None, "horizon": 2})),
    Call(
        "solve, without a horizon",
        lambda: (
            clew.solve,
            {"world": ENV, "gamma": 0.9, "tolerance": 1e-3, "method": "value-iteration", "horizon": None},
        ),
    ),
    Call("log_to_tensorboard", lambda: (clew.log_to_tensorboard, {"folder": "logs"})),
    Call("stop_when_optimal", lambda: (clew.stop_when_optimal, {"world": ENV, "num_grades": 2, "gamma": 0.9})),
    Call("train_policy", lambda: (clew.train_policy, training())),
    Call("examine", lambda: (clew.examine, {"world": ENV, "num_episodes": 2, "thorough": True, "gamma": 0.9})),
    Call(
        "train_policy_parallel",
        lambda: (
            clew.train_policy_parallel,
            {
                **training(),
                "num_simulations": 2,
                "num_actors": 0,
                "sharing": "central",
                "sync_every": 1,
                "rounds_ahead": 0,
                "partition_starts": False,
                "asynchronous": False,
                "chaos": 0.0,
            },
        ),
    ),
    Call(
        "update_policy",
        lambda: (
            clew.update_policy,
            {"policy": clew.Policy(ENV), "trajectory": TRAJECTORY, "alpha": 0.1, "gamma": 0.9},
        ),
    ),
    Call("gallery.make_world", lambda: (clew.gallery.make_world, {"name": "cliff"})),
    Call(
        "mazes.find_maze",
        lambda: (
            clew.mazes.find_maze,
            {
                "name": "2x3",
                "start": (0, 0),
                "goal": (1, 1),
                "scenario": None,
                "unknown_walls": "wall",
                "cell_size": 1,
                "worlds": (),
            },
        ),
        ("worlds",),
    ),
    Call(
        "environments.make_environment",
        lambda: (clew.environments.make_environment, {"maze": "2x3", "observation": "index", **world_settings()}),
    ),
    Call(
        "runs.train_run",
        lambda: (
            train_run,
            {
                "config": CONFIG,
                "callback": None,
                "watch": None,
                "checkpoints": Checkpoints(None),
                "maze": MAZE,
                "chaos": 0.0,
                "trace": Trace(),
            },
        ),
    ),
    Call(
        "runs.grade",
        lambda: (runs.grade, {"config": CONFIG, "env": ENV, "policy": POLICY, "num_episodes": 2, "optimum": SOLUTION}),
    ),
    Call("runs.open_run", lambda: (runs.open_run, {"folder": "sound_run"})),
    Call("runs.open_partial_run", lambda: (runs.open_partial_run, {"folder": "sound_partial"})),
    Call(
        "runs.save_checkpoints",
        lambda: (
            saved_checkpoints,
            {
                "folder": "new_run",
                "config": CONFIG,
                "maze": MAZE,
                "every": 10,
                "resume": False,
                "other_versions": False,
            },
        ),
    ),
    Call("runs.solve_in_blocks", lambda: (runs.solve_in_blocks, solve_blocks())),
    Call("runs.Run.save", lambda: (RUN.save, {"folder": "new_run"})),
    Call("BlockWorld", lambda: (BlockWorld, {"world": ENV, "num_blocks": 2, "num_actors": 0})),
    Call("BlockWorld.solve", lambda: (blocks().solve, {"gamma": 0.9, "tolerance": 1e-3})),
    Call(
        "BlockWorld.train",
        lambda: (
            blocks().train,
            {"num_episodes": 2, "num_rounds": 1, "max_episode_steps": 9, "seed": 0, "callback": None},
        ),
    ),
    Call("BlockWorld.values", lambda: (learned_blocks().values, {"states": [0]})),
    Call("BlockWorld.action_values", lambda: (learned_blocks().action_values, {"states": [0]})),
    Call("BlockWorld.grade", lambda: (learned_blocks().grade, {})),
    Call("BlockWorld.memory", lambda: (learned_blocks().memory, {})),
    Call("mazes.formats.read_scenarios", lambda: (scenarios, {"path": "sound.scen"})),
    Call(
        "SpaceIndex.encode",
        lambda: (clew.environments.SpaceIndex(gymnasium.spaces.Discrete(2)).encode, {"element": 1}),
    ),
    Call("book.Discrete", lambda: (book.Discrete, {"num_actions": 4})),
    Call("book.Environment", lambda: (book.Environment, {"maze": MAZE, **world_settings()})),
    Call("book.Policy", lambda: (book.Policy, {"env": book.Environment(MAZE)})),
    Call("book.Simulation", lambda: (book.Simulation, {"env": book.Environment(MAZE)})),
    Call(
        "book.Simulation.rollout",
        lambda: (
            book.Simulation(book.Environment(MAZE)).rollout,
            {"policy": book.Policy(book.Environment(MAZE)), "render": False, "explore": True, "epsilon": 0.1},
        ),
    ),
    Call(
        "book.train_policy",
        lambda: (
            book.train_policy,
            {"env": book.Environment(MAZE), "num_episodes": 2, "weight": 0.1, "discount_factor": 0.9},
        ),
    ),
    Call(
        "book.evaluate_policy",
        lambda: (
            book.evaluate_policy,
            {"env": book.Environment(MAZE), "policy": book.Policy(book.Environment(MAZE)), "num_episodes": 2},
        ),
    ),
    Call(
        "book.update_policy",
        lambda: (
            book.update_policy,
            {
                "policy": book.Policy(book.Environment(MAZE)),
                "experiences": [[0, 3, 0.0, 1]],
                "weight": 0.1,
                "discount_factor": 0.9,
            },
        ),
    ),
    Call("Range", lambda: (clew.Range, {"low": 0.1, "high": 1.0, "log": True})),
    Call(
        "Sweep",
        lambda: (
            clew.Sweep,
            {
                "world": "2x3",
                "choices": {"alpha": [0.1, 0.5]},
                "base": {"gamma": 0.9},
                "num_episodes": 2,
                "seeds": [0, 1],
                "fresh_seeds": [2, 3],
                "num_random": None,
                "random_seed": 0,
                "figure": "steps",
                "last": 1,
            },
        ),
    ),
    Call(
        "Sweep.run",
        lambda: (
            small_sweep().run,
            {"num_threads": 1, "num_actors": 0, "folder": None, "progress": None},
        ),
    ),
    Call(
        "Experiment",
        lambda: (
            clew.Experiment,
            {"worlds": {"a": "2x3"}, "learners": {"b": {}}, "seeds": [0, 1], "num_episodes": 2, "num_steps": None},
        ),
    ),
    Call("Sweep.examine", lambda: (small_sweep().examine, {})),
    Call("Experiment.examine", lambda: (small_experiment().examine, {})),
    Call("Experiment.check_figure", lambda: (small_experiment().check_figure, {"figure": "regret"})),
    Call(
        "Experiment.run",
        lambda: (
            small_experiment().run,
            {"num_threads": 1, "num_actors": 0, "folder": None, "progress": None, "max_seconds": 60.0},
        ),
    ),
    *(
        Call(
            f"ExperimentResults.{name}",
            lambda name=name, arguments=arguments: (getattr(SWEPT.fresh, name), dict(arguments)),  # type: ignore[misc]
        )
        for name, arguments in {
            "sample": {"learner": "best", "world": "2x3", "figure": "steps", "last": 1},
            "samples": {"world": "2x3", "figure": "steps", "last": 1},
            "metrics": {"world": "2x3", "num_rounds": 1},
            "policy": {"learner": "best", "world": "2x3", "seed": 2},
            "to_csv": {"path": "steps.csv"},
        }.items()
    ),
    Call("SweepResults.curve", lambda: (SWEPT.curve, {"setting": "alpha"})),
    Call("SweepResults.plot", lambda: (SWEPT.plot, {"setting": "alpha"})),
    Call("SweepResults.save", lambda: (SWEPT.save, {"path": "best.json"})),
    Call(
        "ExperimentResults.compare",
        lambda: (SWEPT.fresh.compare, {"figure": "steps", "last": None, "paired": False, "seed": 0, "worlds": None}),
    ),
    Call(
        "ExperimentResults.plot",
        lambda: (
            SWEPT.fresh.plot,
            {"world": "2x3", "figure": "mean_steps", "optimum": 3.0, "title": "t", "num_rounds": 10},
        ),
    ),
]


# Judging the answers --------------------------------------------------------------------------------------------------

WORLDS = ("env", "world", "policy", "mdp")  # messages say what was expected, and what came
NAMED_BY_VALUE = ("path", "folder", "runs", "env_id", "name", "text", "maze")  # the message begins with the name given
OTHER_WORDS = {  # by which messages call what an argument names
    "base": ("the learner",),
    "blocked": ("line ", "array"),
    "cell_rewards": ("cell reward",),
    "cells": ("edge of the grid",),
    "choices": ("is not a setting",),
    "columns": ("a maze of",),
    "env_id": ("expected the ID",),
    "horizon": ("a policy for every step",),
    "moving_goal": ("start state",),
    "element": ("is not in the space",),
    "name": ("world must be", "no maze is called"),
    "num_states": ("next state",),
    "P": ("probabilities",),
    "q": ("action values",),
    "policy": ("action values", "a policy of"),
    "actions": ("action",),
    "rows": ("a maze of", "list of strings", "the maze is empty"),
    "starts": ("start state",),
    "text": ("line 1", "the maze is empty"),
    "what": (
        "trajectory",
        "Trajectory",
        "values of shape",
        "numbers of shape",
        "counts of",
        "draw the environment",
        "action values",
    ),
}
STARTS_RAY = {
    ("num_actors", "10**5000"),
    ("num_actors", "True"),
    ("num_actors", "1"),
    ("num_actors", "10**30"),
    ("num_actors", "None"),
}
NEVER_RIGHT = ("object()", "1j", "nan", "text array", "object array", "dates", "a class", "[None]", "-10**5000")
FUNCTIONS = ("callback", "watch", "f", "function", "progress")
CALLED = ("a lambda", "a class")  # these can be called where a function is expected; what they raise is the user's


def is_named(argument: str, value: Any, message: str) -> bool:
    """Return whether a message says which argument is wrong."""
    if argument.removesuffix("s") in message or any(word in message for word in OTHER_WORDS.get(argument, ())):
        return True
    if argument in WORLDS and ("expected" in message or "must be a" in message):
        return True
    return (
        argument in NAMED_BY_VALUE
        and isinstance(value, str | Path)
        and any(text in message for text in (str(value), repr(value)))
    )


def answers(call: Call) -> Iterator[tuple[str, str, Any, BaseException | None]]:
    """Replace each argument of a call by each piece of nonsense; yield both names, the value and what was raised."""
    for argument in call.make()[1]:
        for name, value in nonsense().items():
            if (argument, name) in STARTS_RAY or (argument in FUNCTIONS and name in CALLED):
                continue
            f, arguments = call.make()
            arguments[argument] = value
            try:
                f(**arguments)
            except BaseException as error:
                yield argument, name, value, error
            else:
                yield argument, name, value, None
            clean()


def clean() -> None:
    """Remove what a call has written into the current folder."""
    for path in Path().iterdir():
        if path.name.startswith("sound"):
            continue
        if path.is_dir():
            for each in sorted(path.rglob("*"), reverse=True):
                each.rmdir() if each.is_dir() else each.unlink()
            path.rmdir()
        else:
            path.unlink()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("nonsense")
    MAZE.save(folder / "sound.txt")
    (folder / "sound.scen").write_text("version 1\n0 m.map 3 2 0 0 2 1 2.0\n")
    MDP.save(folder / "sound.npz")
    POLICY.save(folder / "sound_policy.npz")
    POLICY.to_csv(folder / "sound_policy.csv")
    (folder / "sound.csv").write_text("state,action,next_state,probability,reward\n0,0,1,1,1\n")
    RUN.save(folder / "sound_run")
    create_partial_folder(folder / "sound_partial", CONFIG.to_dict(), MAZE)
    return folder


@pytest.fixture
def folder(files: Path, monkeypatch) -> Iterator[None]:
    monkeypatch.chdir(files)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", clew.PrecisionWarning)
        warnings.filterwarnings("ignore", message=".*does nothing without a render_mode")
        yield


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_nonsense_is_refused_by_name(call: Call, folder, tables) -> None:
    f, arguments = call.make()
    f(**arguments)
    clean()
    wrong = []
    for argument, name, value, error in answers(call):
        where = f"{call.name}({argument}={name})"
        if error is None and name in NEVER_RIGHT and argument not in call.takes_all:
            wrong.append(f"{where} is accepted")
        if error is not None and not isinstance(error, clew.ClewError):
            wrong.append(f"{where} raises {type(error).__name__}: {error}")
        if isinstance(error, clew.ClewError) and argument not in call.takes_all:
            message = str(error)
            if not is_named(argument, value, message):
                wrong.append(f"{where} isn't named in: {message}")
    assert wrong == []


RESULTS = {
    "AverageSolution",
    "Evaluation",
    "ExperimentComparison",
    "ExperimentProgress",
    "ExperimentResults",
    "Finding",
    "Grade",
    "HorizonSolution",
    "PolicyGain",
    "PolicyStatistics",
    "PolicyValues",
    "RoundMetrics",
    "Solution",
    "SweepResults",
    "Transition",
}
TABLES = {"ALGORITHMS", "BEHAVIOURS", "Action"}  # Action is an enumeration of Python's
PROTOCOLS = {"Agent"}  # what users write


def test_every_public_function_has_a_call() -> None:
    missing = []
    made = {call.name: call.make() for call in CALLS}
    for name in clew.__all__:
        thing = getattr(clew, name)
        if name in RESULTS | TABLES | PROTOCOLS or (isinstance(thing, type) and issubclass(thing, Exception)):
            continue
        protocols = [each for each in getattr(thing, "__mro__", ())[1:] if each.__module__.startswith("clew.models")]
        methods = [
            f"{name}.{each}"
            for kind in ([thing, *protocols] if isinstance(thing, type) else ())
            for each, f in vars(kind).items()
            if not each.startswith("_") and isinstance(f, classmethod | staticmethod | type(lambda: None))
        ]
        is_made_by_methods = name == "FiniteMDP"
        missing += [each for each in [name] * (not is_made_by_methods) + methods if each not in made]
    assert missing == []
    for name, (f, arguments) in made.items():
        kinds = inspect.signature(f).parameters
        if name.startswith("book.Environment") or ", " in name:
            continue
        named = {each for each, p in kinds.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        assert named <= set(arguments) | {"self"}, name


# Environments of users ------------------------------------------------------------------------------------------------


class Odd(gymnasium.Env):
    """An environment of two states, whose reset and step return what a test asks for."""

    observation_space = gymnasium.spaces.Discrete(2)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, begins: Any = (0, {}), steps: Any = (1, 1.0, True, False, {})) -> None:
        self.begins, self.steps = begins, steps

    def reset(self, *, seed=None, options=None):
        return self.begins

    def step(self, action):
        return self.steps


REWARDS = [None, "1", [1.0], 1e300, float("nan"), float("inf"), 1j, b"1", object(), np.array([1.0]), 10**5000]
OBSERVATIONS = [None, "0", 2, -1, 0.5, [0], object(), np.array([0, 1]), 10**5000, True, np.True_, np.array(True)]
WAYS: dict[str, Callable[[Any], Any]] = {
    "train_policy": lambda env: clew.train_policy(env, 2),
    "examine": lambda env: clew.examine(env, 2),
    "run_agent": lambda env: clew.run_agent(QLearning(np.zeros((2, 2)), np.random.default_rng(0)), env, 2),
    "train_policy_parallel": lambda env: clew.train_policy_parallel(env, 2, num_simulations=2, num_actors=0),
    "evaluate_policy": lambda env: clew.evaluate_policy(env, clew.Policy(env), 2),
    "rollout": lambda env: clew.Simulation(env).rollout(clew.Policy(env)),
    "rollouts": lambda env: clew.Simulation(env).rollouts(np.zeros((2, 2)), 2, stream=new_stream(1)),
}


@pytest.mark.parametrize("way", WAYS)
def test_odd_environments_are_refused(way: str) -> None:
    WAYS[way](Odd())
    for reward in REWARDS:
        with pytest.raises(clew.SettingError, match=r"the environment's step gave reward .*, expected a finite"):
            WAYS[way](Odd(steps=(1, reward, True, False, {})))
    for state in OBSERVATIONS:
        with pytest.raises(clew.SettingError, match="the environment's step gave state"):
            WAYS[way](Odd(steps=(state, 1.0, True, False, {})))
        with pytest.raises(clew.SettingError, match="the environment's reset gave state"):
            WAYS[way](Odd(begins=(state, {})))
    for flag in (None, "no", 0.5, []):
        with pytest.raises(
            clew.SettingError, match=r"the environment's step gave terminated .*, expected True or False"
        ):
            WAYS[way](Odd(steps=(1, 1.0, flag, False, {})))


@pytest.mark.parametrize("way", WAYS)
def test_environments_of_the_older_gym_are_refused(way: str) -> None:
    asked = r"must return \(observation, reward, terminated, truncated, info\), as in Gymnasium"
    for steps, given in (((1, 1.0, True, {}), "4 values"), (None, "None"), (1, "1")):
        with pytest.raises(clew.SettingError, match=f"step returned {given}; it {asked}"):
            WAYS[way](Odd(steps=steps))
    for begins, given in ((0, "0"), (np.int64(0), "0"), (None, "None"), ((0, {}, 1), "3 values")):
        with pytest.raises(clew.SettingError, match=f"reset returned .*{given}.*; it must return .observation, info"):
            WAYS[way](Odd(begins=begins))


def test_wrapped_environments_of_the_older_gym_are_refused() -> None:
    env = Odd(begins=0)
    env.observation_space = gymnasium.spaces.MultiBinary(1)
    with pytest.raises(clew.SettingError, match="the environment's reset returned 0; it must return"):
        clew.train_policy(clew.as_discrete(env), 2)


# What readers of the chapter override ---------------------------------------------------------------------------------

OVERRIDES: dict[str, list[tuple[Any, str]]] = {  # what a method of an environment returns, and the message
    "step": [
        (None, r"step returned None; it must return \(observation, reward, done, info\)"),
        ((0, 1.0, True), r"step returned 3 values; it must return \(observation, reward, done, info\)"),
        ((0, 1.0, True, False, {}), r"step returned 5 values; it must return \(observation, reward, done, info\)"),
        (("0", 1.0, True, {}), "step gave state '0', expected an integer"),
        ((6, 1.0, True, {}), "step gave state 6, outside its space of 6"),
        ((0, None, True, {}), "step gave reward None, expected a finite"),
        ((0, 1.0, "yes", {}), "step gave done 'yes', expected True or False"),
    ],
    "reset": [(None, "reset gave state None"), ((0, {}), "reset gave state .0, {}., expected an integer")],
    "get_observation": [
        (None, "reset gave state None"),
        (-1, "reset gave state -1"),
        (0.5, "reset gave state 0.5"),
        (True, "reset gave state True, expected an integer"),
    ],
    "get_reward": [(None, "step gave reward None"), ("1", "step gave reward '1'"), (1e300, "step gave reward 1e.300")],
    "is_done": [(None, "step gave done None"), ([], "step gave done ")],
}
CHAPTER_WAYS: dict[str, Callable[[Any], Any]] = {
    "train_policy": lambda env: book.train_policy(env, 1),
    "evaluate_policy": lambda env: book.evaluate_policy(env, book.Policy(env), 1),
    "rollout": lambda env: book.Simulation(env).rollout(book.Policy(env)),
}


@pytest.mark.parametrize("way", CHAPTER_WAYS)
@pytest.mark.parametrize("method", OVERRIDES)
def test_an_override_that_returns_nonsense_is_refused(method: str, way: str) -> None:
    for returned, message in OVERRIDES[method]:
        kind = type("Odd", (book.Environment,), {method: lambda *_, returned=returned: returned})
        with pytest.raises(clew.SettingError, match=message):
            CHAPTER_WAYS[way](kind(MAZE))


@pytest.mark.parametrize("way", ["evaluate_policy", "rollout"])
def test_a_choice_of_actions_that_is_nonsense_is_refused(way: str) -> None:
    env = book.Environment(MAZE)
    ways = {
        "evaluate_policy": lambda policy: book.evaluate_policy(env, policy, 1),
        "rollout": lambda policy: book.Simulation(env).rollout(policy),
    }
    for action in (None, "0", 4, -1, 0.5, [0]):
        kind = type("Odd", (book.Policy,), {"get_action": lambda *_, action=action: action})
        with pytest.raises(clew.SettingError, match=r"get_action gave .*, expected an action in 0\.\.3"):
            ways[way](kind(env))
    kind = type("Short", (book.Policy,), {"get_action": lambda self, state: 0})
    with pytest.raises(clew.SettingError, match=r"Short.get_action must take \(self, state, explore=True, epsilon"):
        ways[way](kind(env))


class TypedPolicy:
    """The chapter's class, with a list of lists."""

    def __init__(self, table: Any) -> None:
        self.state_action_table = table


@pytest.mark.parametrize(
    "experience",
    [[30, 0, 0, 1], [0, 4, 0, 1], [0, 0, 0, -1], ["0", 0, 0, 1], [0, 0, None, 1], [0, 0, 1e300, 1], [0, 0, 0, 0.5]],
)
def test_experiences_of_nonsense_are_refused(experience: list[Any]) -> None:
    for policy in (book.Policy(book.Environment(MAZE)), TypedPolicy([[0.0] * 4 for _ in range(6)])):
        with pytest.raises(clew.SettingError, match=r"experiences must have states in 0\.\.5, actions in 0\.\.3"):
            book.update_policy(policy, [experience])


@pytest.mark.parametrize("table", [None, 7, "abc", [], [1, 2], [[None] * 4] * 6])
def test_a_typed_table_of_nonsense_is_refused(table: Any) -> None:
    with pytest.raises(clew.SettingError, match="state_action_table must be a list of numbers for each state"):
        book.update_policy(TypedPolicy(table), [[0, 0, 0, 1]])


# Errors that help -----------------------------------------------------------------------------------------------------


def test_the_nearest_setting_is_suggested() -> None:
    for f in (clew.train_policy, clew.train_policy_parallel, clew.Trainer):
        with pytest.raises(clew.SettingError, match="alhpa is not a setting; did you mean 'alpha'"):
            f(ENV, alhpa=1)


def test_a_drawing_names_the_file_that_cannot_be_written(tmp_path) -> None:
    with pytest.raises(clew.ClewError, match=r"missing/maze\.svg: can't be written: No such file or directory"):
        clew.draw(MAZE).save(tmp_path / "missing" / "maze.svg")
