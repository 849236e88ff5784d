"""Tabular reinforcement learning in mazes and other finite worlds: compiled, exact, reproducible, over Ray.

>>> import clew
>>> env = clew.Environment(clew.Maze.open(10, 12))
>>> policy = clew.train_policy(env, num_episodes=5_000, seed=7)
>>> clew.evaluate_policy(env, policy).mean_steps
20.0

A module is imported when one of its names is used, so that `import clew` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clew.notebook import draw_with
from clew.registration import register_with_gymnasium
from clew.version import __version__ as __version__

if TYPE_CHECKING:
    from clew.distributed import train_policy_parallel
    from clew.environments import Action, Environment, MazeVectorEnv, ModelEnvironment, as_discrete, make_gymnasium
    from clew.errors import (
        ClewError,
        ClusterError,
        ExtraError,
        KernelError,
        MazeError,
        ModelError,
        NoPathError,
        PolicyError,
        PrecisionError,
        PrecisionWarning,
        RunError,
        SettingError,
        StopTraining,
    )
    from clew.evaluation.exact import PolicyValues, policy_steps, policy_values
    from clew.evaluation.gain import PolicyGain, policy_gain
    from clew.evaluation.grades import evaluate_policy, evaluate_values
    from clew.evaluation.results import Evaluation, Grade
    from clew.evaluation.statistics import PolicyStatistics, policy_statistics
    from clew.experiments.experiment import Experiment, ExperimentProgress
    from clew.experiments.grids import Range
    from clew.experiments.report import ExperimentComparison
    from clew.experiments.results import ExperimentResults
    from clew.experiments.sweep import Sweep, SweepResults
    from clew.figures.curves import plot_learning, plot_regret, plot_steps_to_optimal
    from clew.figures.drawing import draw
    from clew.learning.agents import run_agent
    from clew.learning.algorithms import ALGORITHMS
    from clew.learning.findings import Finding
    from clew.learning.metrics import RoundMetrics
    from clew.learning.progress import show_progress
    from clew.learning.registering import register_algorithm
    from clew.learning.settings import Learning
    from clew.learning.stopping import stop_when_optimal
    from clew.learning.tensorboard import log_to_tensorboard
    from clew.learning.trainer import Trainer
    from clew.learning.training import train_policy, update_policy
    from clew.mazes import Maze, Moves, generate_maze
    from clew.models.mdp import FiniteMDP
    from clew.planning import AverageSolution, HorizonSolution, Solution, solve, solve_average
    from clew.policies.behaviours import BEHAVIOURS, register_behaviour
    from clew.policies.episodes import Simulation
    from clew.policies.policy import Policy
    from clew.policies.trajectory import Trajectory
    from clew.reference import Agent, Transition
    from clew.runs.configuration import TrainingConfig
    from clew.runs.examination import examine

__all__ = [
    "ALGORITHMS",
    "BEHAVIOURS",
    "Action",
    "Agent",
    "AverageSolution",
    "ClewError",
    "ClusterError",
    "Environment",
    "Evaluation",
    "Experiment",
    "ExperimentComparison",
    "ExperimentProgress",
    "ExperimentResults",
    "ExtraError",
    "Finding",
    "FiniteMDP",
    "Grade",
    "HorizonSolution",
    "KernelError",
    "Learning",
    "Maze",
    "MazeError",
    "MazeVectorEnv",
    "ModelEnvironment",
    "ModelError",
    "Moves",
    "NoPathError",
    "Policy",
    "PolicyError",
    "PolicyGain",
    "PolicyStatistics",
    "PolicyValues",
    "PrecisionError",
    "PrecisionWarning",
    "Range",
    "RoundMetrics",
    "RunError",
    "SettingError",
    "Simulation",
    "Solution",
    "StopTraining",
    "Sweep",
    "SweepResults",
    "Trainer",
    "TrainingConfig",
    "Trajectory",
    "Transition",
    "as_discrete",
    "draw",
    "evaluate_policy",
    "evaluate_values",
    "examine",
    "generate_maze",
    "log_to_tensorboard",
    "make_gymnasium",
    "plot_learning",
    "plot_regret",
    "plot_steps_to_optimal",
    "policy_gain",
    "policy_statistics",
    "policy_steps",
    "policy_values",
    "register_algorithm",
    "register_behaviour",
    "run_agent",
    "show_progress",
    "solve",
    "solve_average",
    "stop_when_optimal",
    "train_policy",
    "train_policy_parallel",
    "update_policy",
]

_HOMES = {
    "clew.learning.algorithms": ("ALGORITHMS",),
    "clew.learning.registering": ("register_algorithm",),
    "clew.policies.behaviours": ("BEHAVIOURS", "register_behaviour"),
    "clew.runs.configuration": ("TrainingConfig",),
    "clew.runs.examination": ("examine",),
    "clew.figures.curves": ("plot_learning", "plot_regret", "plot_steps_to_optimal"),
    "clew.distributed": ("train_policy_parallel",),
    "clew.figures.drawing": ("draw",),
    "clew.planning": ("AverageSolution", "HorizonSolution", "Solution", "solve", "solve_average"),
    "clew.environments": (
        "Action",
        "Environment",
        "MazeVectorEnv",
        "ModelEnvironment",
        "as_discrete",
        "make_gymnasium",
    ),
    "clew.errors": (
        "ClewError",
        "ClusterError",
        "ExtraError",
        "KernelError",
        "MazeError",
        "ModelError",
        "NoPathError",
        "PolicyError",
        "PrecisionError",
        "PrecisionWarning",
        "RunError",
        "SettingError",
        "StopTraining",
    ),
    "clew.evaluation.gain": ("PolicyGain", "policy_gain"),
    "clew.evaluation.grades": ("evaluate_policy", "evaluate_values"),
    "clew.evaluation.statistics": ("PolicyStatistics", "policy_statistics"),
    "clew.evaluation.results": ("Evaluation", "Grade"),
    "clew.experiments.experiment": ("Experiment", "ExperimentProgress"),
    "clew.experiments.grids": ("Range",),
    "clew.experiments.report": ("ExperimentComparison",),
    "clew.experiments.results": ("ExperimentResults",),
    "clew.experiments.sweep": ("Sweep", "SweepResults"),
    "clew.learning.findings": ("Finding",),
    "clew.learning.settings": ("Learning",),
    "clew.mazes": ("Maze", "Moves", "generate_maze"),
    "clew.models.mdp": ("FiniteMDP",),
    "clew.policies.policy": ("Policy",),
    "clew.evaluation.exact": ("PolicyValues", "policy_steps", "policy_values"),
    "clew.learning.progress": ("show_progress",),
    "clew.policies.episodes": ("Simulation",),
    "clew.policies.trajectory": ("Trajectory",),
    "clew.reference": ("Agent", "Transition"),
    "clew.learning.agents": ("run_agent",),
    "clew.learning.metrics": ("RoundMetrics",),
    "clew.learning.stopping": ("stop_when_optimal",),
    "clew.learning.tensorboard": ("log_to_tensorboard",),
    "clew.learning.trainer": ("Trainer",),
    "clew.learning.training": ("train_policy", "update_policy"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
# Modules with public names beyond these: `clew.gallery.make_world` works after a plain `import clew`.
_MODULES = {
    "book": "clew.book",
    "distributed": "clew.distributed",
    "environments": "clew.environments",
    "extending": "clew.extending",
    "gallery": "clew.environments.gallery",
    "mazes": "clew.mazes",
    "reference": "clew.reference",
    "rendering": "clew.rendering",
    "runs": "clew.runs",
    "testing": "clew.testing",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOME_OF:
        raise AttributeError(f"module 'clew' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})


draw_with("clew.figures.drawing", "clew.figures.curves")
register_with_gymnasium()
