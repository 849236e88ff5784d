"""Clew trains agents by reinforcement learning in mazes and other finite worlds: compiled, exact, reproducible, over
Ray.

    import clew

    env = clew.Environment(clew.Maze.open(10, 12))
    policy = clew.train_policy(env, num_episodes=20_000, seed=7)
    print(clew.evaluate_policy(env, policy))

Importing the package does no work: a module is loaded when one of its names is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clew.registration import register_with_gymnasium

if TYPE_CHECKING:
    from clew.algorithms import ALGORITHMS
    from clew.behaviours import BEHAVIOURS
    from clew.configuration import TrainingConfig
    from clew.curves import plot_learning, plot_regret, plot_steps_to_optimal
    from clew.distributed import train_policy_parallel
    from clew.drawing import draw
    from clew.dynamic_programming import HorizonSolution, Solution, solve
    from clew.environments import Action, Environment, MazeVectorEnv, ModelEnvironment, as_discrete, make_gymnasium
    from clew.errors import ClewError, ClusterError, ExtraError, MazeError, ModelError, RunError, SettingError
    from clew.evaluation import Evaluation, Grade, evaluate_policy, evaluate_values
    from clew.learning import Learning
    from clew.mazes import Maze, Moves, generate_maze
    from clew.mdp import FiniteMDP
    from clew.policies import Policy
    from clew.policy_evaluation import PolicyValues, policy_steps, policy_values
    from clew.progress import show_progress
    from clew.simulation import Simulation, Trajectory, Transition
    from clew.trainer import Trainer
    from clew.training import RoundMetrics, train_policy, update_policy

__version__ = "0.1.0"

__all__ = [
    "ALGORITHMS",
    "BEHAVIOURS",
    "Action",
    "ClewError",
    "ClusterError",
    "Environment",
    "Evaluation",
    "ExtraError",
    "FiniteMDP",
    "Grade",
    "HorizonSolution",
    "Learning",
    "Maze",
    "MazeError",
    "MazeVectorEnv",
    "ModelEnvironment",
    "ModelError",
    "Moves",
    "Policy",
    "PolicyValues",
    "RoundMetrics",
    "RunError",
    "SettingError",
    "Simulation",
    "Solution",
    "Trainer",
    "TrainingConfig",
    "Trajectory",
    "Transition",
    "as_discrete",
    "draw",
    "evaluate_policy",
    "evaluate_values",
    "generate_maze",
    "make_gymnasium",
    "plot_learning",
    "plot_regret",
    "plot_steps_to_optimal",
    "policy_steps",
    "policy_values",
    "show_progress",
    "solve",
    "train_policy",
    "train_policy_parallel",
    "update_policy",
]

_HOMES = {
    "clew.algorithms": ("ALGORITHMS",),
    "clew.behaviours": ("BEHAVIOURS",),
    "clew.configuration": ("TrainingConfig",),
    "clew.curves": ("plot_learning", "plot_regret", "plot_steps_to_optimal"),
    "clew.distributed": ("train_policy_parallel",),
    "clew.drawing": ("draw",),
    "clew.dynamic_programming": ("HorizonSolution", "Solution", "solve"),
    "clew.environments": (
        "Action",
        "Environment",
        "MazeVectorEnv",
        "ModelEnvironment",
        "as_discrete",
        "make_gymnasium",
    ),
    "clew.errors": ("ClewError", "ClusterError", "ExtraError", "MazeError", "ModelError", "RunError", "SettingError"),
    "clew.evaluation": ("Evaluation", "Grade", "evaluate_policy", "evaluate_values"),
    "clew.learning": ("Learning",),
    "clew.mazes": ("Maze", "Moves", "generate_maze"),
    "clew.mdp": ("FiniteMDP",),
    "clew.policies": ("Policy",),
    "clew.policy_evaluation": ("PolicyValues", "policy_steps", "policy_values"),
    "clew.progress": ("show_progress",),
    "clew.simulation": ("Simulation", "Trajectory", "Transition"),
    "clew.trainer": ("Trainer",),
    "clew.training": ("RoundMetrics", "train_policy", "update_policy"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
# Modules with public names beyond these: `clew.gallery.make_world` works after a plain `import clew`.
_MODULES = (
    "algorithms",
    "behaviours",
    "book",
    "checkpoints",
    "distributed",
    "environments",
    "gallery",
    "mazes",
    "rendering",
    "runs",
    "trace",
)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"clew.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'clew' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})


register_with_gymnasium()
