"""Parallel training: `train_policy_parallel`, and `train_parallel`, which takes the settings in two records.

Several simulations learn together, in rounds; see `clew.distributed.rounds`. They run in this process or on Ray actors.
"""

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from typing import Any, Unpack

import numpy.typing as npt

from clew.distributed.asynchronous import AsynchronousRounds
from clew.distributed.central import CentralLearner, RolloutWorker
from clew.distributed.local import LocalLearner, TableMerger
from clew.distributed.placement import Placement, format_seconds
from clew.distributed.rounds import Plan, Rounds
from clew.distributed.settings import Sharing
from clew.distributed.tasks import InProcessPool, Job, Pool, Worker
from clew.errors import ClusterError, SettingError
from clew.learning.algorithms import ALGORITHMS
from clew.learning.checkpoints import Checkpoints, identity
from clew.learning.learner import initial_values
from clew.learning.metrics import Callback, Watch
from clew.learning.precision import warn_if_coarse, warn_if_stalled
from clew.learning.reporting import check_reporting
from clew.learning.settings import Learning, LearningSettings, as_learning, check_run
from clew.learning.training import check_values, report, train
from clew.planning.solution import Solution
from clew.policies.plugins import plugins_of, why_not_importable
from clew.policies.policy import Policy
from clew.settings import SHARE, check_number
from clew.tracing.trace import Trace

logger = logging.getLogger(__name__)

# By the setting `sharing`: what runs tasks, in any process, and what applies their results, in this one.
WORKERS: dict[str, tuple[Any, Any]] = {
    "central": (RolloutWorker, CentralLearner),
    "local": (LocalLearner, TableMerger),
}


def train_policy_parallel(
    env: Any,
    num_episodes: int = 4_000,
    num_simulations: int = 4,
    *,
    num_actors: int | None = None,
    sharing: str = "central",
    sync_every: int | str | None = None,
    rounds_ahead: int = 0,
    partition_starts: bool = False,
    asynchronous: bool = False,
    chaos: float = 0.0,
    seed: int = 0,
    policy: Policy | Solution | None = None,
    callback: Callback | None = None,
    watch: Watch | None = None,
    trace: Trace | None = None,
    checkpoints: Checkpoints | None = None,
    **settings: Unpack[LearningSettings],
) -> Policy:
    """Train a policy from several simulations (streams of episodes), on Ray actors or in this process.

    Training proceeds in rounds. In a round every simulation plays for some steps, starting from the same values; then
    the results are merged in the order of the simulations. So the result depends on the number of simulations,
    and not on the number of actors: it has the same bits with any `num_actors`, and if actors die. The tasks of an
    actor that died or does not answer are run again by another.

    With actors, a running Ray is used: one that was started in this process or that RAY_ADDRESS names. Otherwise a
    local Ray is started, and stopped at the end.

    Args:
        env: environment with Discrete spaces, or a model; every actor gets a copy.
        num_episodes: number of episodes of all simulations together.
        num_simulations: number of simulations; decides the result. A single simulation is trained in this process, as
            by `clew.train_policy`, and needs the fewest steps and the least time unless actors share the work; four,
            as in the chapter, need up to a quarter more steps.
        num_actors: number of Ray actors; decides only the speed. 0 runs all simulations in this process, without Ray.
            None starts training in this process, and starts one actor for each simulation, as far as the cluster has
            processors, if the work takes longer than 0.3 s, or 5 s if no Ray runs yet; central learning in worlds that
            kernels can simulate stays in this process. Rounds that end by steps run in this process while they are too
            short for actors.
        sharing: "central": simulations play, and one learner in this process learns from all their transitions.
            "local": each simulation learns on its own copy of the table, and the copies are merged after each round;
            actors speed this up most, but algorithms that learn a model are refused. Decides the result.
        sync_every: episodes of each simulation in a round; decides the result. None ends rounds by steps instead, few
            at first and more later, and an episode may go on in the next round; it makes 100 rounds where episodes
            have to be whole, as for Monte Carlo. "never" makes it one round, in which no simulation uses what another
            has learned.
        rounds_ahead: number of rounds that simulations may run ahead of the merged values; decides the result. With 1
            they don't wait for the merge, and act by values that are one round older (stale).
        partition_starts: True divides the start states among the simulations; decides the result.
        asynchronous: True merges each result when it arrives; a simulation is at most `rounds_ahead` rounds ahead of
            the slowest one. Two runs then give different results.
        chaos: probability, in [0, 1], that an actor is killed when tasks are sent to it, for tests.
        seed: seed of all random draws.
        policy: policy or solution whose action values are the initial ones, see `train_policy`.
        callback: is called after each round with its `RoundMetrics`; first for the rounds of the checkpoint from which
            training continues. If it raises `clew.StopTraining`, training ends, and the policy so far is returned.
        watch: is called before `callback` with the (num_states, num_actions) action values after that round, which are
            read-only; copy them to keep them.
        trace: records what driver and actors did, and when; `clew.tracing.timeline` draws it.
        checkpoints: saves the training to a folder; training continues from the newest checkpoint there.
        settings: fields of `clew.Learning`, such as `algorithm` (by default Q-learning), `alpha`, `gamma`, `epsilon`.
            Schedules of step size and exploration change from round to round, not from episode to episode.

    Returns:
        The trained policy.

    Raises:
        SettingError: if a setting is out of range, a space is not Discrete, the policy doesn't fit the environment, or
            values overflow float32.
        ClusterError: if the cluster can't place the actors, or its object store can't hold the values.
        RunError: if checkpoints can't be written, are damaged, or are those of another training.
        StoppedError: if `checkpoints.stop()` was called.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(5, 5))
    >>> policy = clew.train_policy_parallel(env, 2000, num_simulations=4, num_actors=0, seed=1)
    >>> clew.evaluate_policy(env, policy).mean_steps
    8.0
    """
    check_reporting(callback, watch, trace, checkpoints)
    streams = Sharing(
        num_simulations=num_simulations,
        num_actors=num_actors,
        sharing=sharing,
        sync_every=sync_every,
        rounds_ahead=rounds_ahead,
        partition_starts=partition_starts,
        asynchronous=asynchronous,
    )
    return train_parallel(
        env,
        num_episodes,
        as_learning(settings),
        streams,
        chaos=chaos,
        seed=seed,
        policy=policy,
        callback=callback,
        watch=watch,
        trace=trace,
        checkpoints=checkpoints,
    )


def train_parallel(
    env: Any,
    num_episodes: int,
    learning: Learning,
    sharing: Sharing,
    *,
    chaos: float = 0.0,
    seed: int = 0,
    policy: Policy | Solution | None = None,
    callback: Callback | None = None,
    watch: Watch | None = None,
    trace: Trace | None = None,
    checkpoints: Checkpoints | None = None,
) -> Policy:
    """Train a policy from several simulations, see `train_policy_parallel`; the settings come in two records.

    Args:
        env: environment with Discrete spaces, or a model.
        num_episodes: number of episodes of all simulations together.
        learning: settings of the learner.
        sharing: settings of parallel training.
        chaos: probability that an actor is killed when tasks are sent to it.
        seed: seed of all random draws.
        policy: policy or solution whose action values are the initial ones, or None.
        callback: is called after each round with its metrics.
        watch: is called before `callback` with the action values, which are read-only.
        trace: records what driver and actors did.
        checkpoints: saves the training to a folder, and continues from the newest checkpoint there.

    Returns:
        The trained policy.

    Raises:
        ClewError: see `train_policy_parallel`.

    >>> import clew
    >>> from clew.distributed import train_parallel
    >>> from clew.distributed.settings import Sharing
    >>> env = clew.Environment(clew.Maze.open(5, 5))
    >>> policy = train_parallel(env, 2000, clew.Learning(), Sharing(num_simulations=4, num_actors=0), seed=1)
    >>> clew.evaluate_policy(env, policy).mean_steps
    8.0
    """
    check_run(num_episodes, seed)
    check_number("chaos", chaos, SHARE)
    sharing.check(learning)
    log_unused_actors(sharing)
    trace = Trace() if trace is None else trace
    checkpoints = Checkpoints(None) if checkpoints is None else checkpoints
    if sharing.num_simulations == 1:
        return train(
            env,
            num_episodes,
            learning,
            seed=seed,
            policy=policy,
            callback=callback,
            watch=watch,
            trace=trace,
            checkpoints=checkpoints,
        )
    job = Job(env, learning, sharing)
    initial = initial_values(env, job.world, learning, policy)
    worker, rounds = new_rounds(job, num_episodes, seed, trace, checkpoints, initial)
    learned = rounds.aggregator.policy
    training = AsynchronousRounds(rounds) if sharing.asynchronous else rounds
    deciding = {each.name: getattr(sharing, each.name) for each in fields(sharing) if each.name != "num_actors"}
    deciding |= {"sync_every": rounds.plan.sync_every, "num_episodes": num_episodes, "seed": seed}
    checkpoints.resume(identity(env, job.world, learning, policy, **deciding), training)
    has_actors = _uses_actors(job, chaos)
    rounds.compile(worker, has_actors)
    in_process = InProcessPool(worker, trace, checkpoints.raise_if_stopped)
    pool_context = _open_pool(job, in_process, chaos) if has_actors else nullcontext(in_process)
    with pool_context as pool, checkpoints.saved_on_stop(training):
        for metrics in training.play(pool):
            report(metrics, learned, watch, callback)
    check_values(learned.q, job.world)
    warn_if_stalled(learning, job.world, learned.q, rounds.paid, initial)
    if sharing.num_actors:
        _log_advice(in_process.placement, job, is_resumed=checkpoints.seconds > 0.0)
    return learned


def _is_bound_by_learner(job: Job) -> bool:
    """Return whether one process can learn from all transitions as fast as it plays them.

    Sending transitions to the learner then takes longer than playing the episodes in its process.
    """
    return job.sharing.sharing == "central" and job.world is not None


def _uses_actors(job: Job, chaos: float) -> bool:
    """Return whether tasks may be run by actors: as many as were asked for, or by default if they can save time.

    Raises:
        ClusterError: if actors were asked for, and the job can't be sent to them, see `can_be_sent`.
    """
    num_actors = job.sharing.num_actors
    if num_actors == 0 or (num_actors is None and _is_bound_by_learner(job) and not chaos):
        return False
    return can_be_sent(job)


def can_be_sent(job: Job) -> bool:
    """Return whether a job can be sent to actors; if not, and no number of actors was given, none is used.

    Raises:
        ClusterError: if its environment can't be pickled or its plug-ins can't be imported, and actors were asked for.
    """
    from clew.distributed.sending import pickle_job  # imports Ray

    algorithm, behaviour = job.learning.algorithm, job.learning.behaviour_name
    for name, plugins in ((algorithm, plugins_of(algorithm, "")), (behaviour, plugins_of("", behaviour))):
        for each in plugins:
            if reason := why_not_importable(each):
                if job.sharing.num_actors:
                    raise ClusterError(f"actors can't use {name}: {reason}")
                return False
    try:
        pickle_job(job)
    except ClusterError:
        if job.sharing.num_actors:
            raise
        return False
    return True


def new_rounds(
    job: Job, num_episodes: int, seed: int, trace: Trace, checkpoints: Checkpoints, initial: npt.ArrayLike
) -> tuple[Worker, Rounds]:
    """Return the worker that runs tasks in this process, and the rounds of a training before the first of them.

    Args:
        job: what the tasks have in common.
        num_episodes: number of episodes of all simulations together.
        seed: seed of all random draws.
        trace: records what is done.
        checkpoints: saves the training to a folder.
        initial: initial values, from `initial_values`.

    Raises:
        SettingError: if start states can't be partitioned, or the environment or a setting of the learner is invalid.
    """
    check_partition(job)
    make_worker, make_aggregator = WORKERS[job.sharing.sharing]
    aggregator = make_aggregator(job, seed, initial)
    warn_if_coarse(job.learning, job.world, initial)
    num_pairs = aggregator.policy.q.size
    plan = Plan.of(num_episodes, job.sharing, seed, num_pairs=num_pairs, by_steps=job.ends_by_steps)
    return make_worker(job), Rounds(aggregator, plan, job.sharing.rounds_ahead, trace, checkpoints)


def log_unused_actors(sharing: Sharing) -> None:
    """Log a message if more actors are asked for than can be used: at most one for each simulation."""
    num_actors, num_simulations = sharing.num_actors or 0, sharing.num_simulations
    if num_actors and num_simulations == 1:
        logger.info("one simulation is trained in this process, without actors; actors share two or more")
    elif num_actors > num_simulations:
        logger.info(
            "starting %d actors, not %d: each simulation runs on one actor, and there are %d simulations",
            num_simulations,
            num_actors,
            num_simulations,
        )


def _log_advice(placement: Placement, job: Job, is_resumed: bool) -> None:
    """Log a message that compares the time of a training, whose rounds were measured, with that of one process.

    Args:
        placement: has measured the rounds.
        job: what the tasks had in common.
        is_resumed: whether training continued from a checkpoint; the rounds before it were not measured.
    """
    num_rounds, num_alone = placement.here.num_rounds + placement.there.num_rounds, placement.num_without_actors
    num_short = placement.here.num_rounds - num_alone
    parts = [
        f"{'since it was resumed, ' if is_resumed else ''}learning took {format_seconds(placement.seconds)} s; in this "
        f"process alone it would have taken about {format_seconds(placement.seconds_here)} s",
        f"the actors took {format_seconds(placement.seconds_to_start)} s to start",
    ]
    if num_short:
        parts.append(f"{num_short:,} of {num_rounds:,} rounds ran here, because they are too short for actors")
    if num_alone:
        parts.append(f"{num_alone:,} of {num_rounds:,} rounds ran here, because no actor was running")
    if _is_bound_by_learner(job) and not ALGORITHMS[job.learning.algorithm].learns_model:
        parts.append("with sharing local actors learn too")
    logger.info("; ".join(parts))


def check_partition(job: Job) -> None:
    """Check that there is a start state for each simulation, if start states are partitioned.

    Raises:
        SettingError: if there are fewer start states than simulations, or their number is unknown.
    """
    num_simulations, world = job.sharing.num_simulations, job.world
    if job.sharing.partition_starts and (world is None or world.mdp.starts.size < num_simulations):
        known = "unknown" if world is None else world.mdp.starts.size
        raise SettingError(
            f"needs a start state for each of {num_simulations} simulations, and their number is {known}",
            setting="partition_starts",
            take={"random_start": True, "partition_starts": False},
        )


def _open_pool(job: Job, in_process: InProcessPool, chaos: float) -> AbstractContextManager[Pool]:
    """Return a context in which Ray actors run; Ray is imported here, when it is needed."""
    from clew.distributed.actors import actor_pool

    return actor_pool(job, WORKERS[job.sharing.sharing][0], in_process, chaos)
