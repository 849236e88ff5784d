"""Rounds played on Ray actors: a thin shell round what `tasks` plays in one process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from clew.distributed.cluster import connected, count_cpus
from clew.distributed.tasks import PlayRound, Task, Values, play, play_here
from clew.errors import ClewError, ClusterError
from clew.simulation import Simulation, Trajectory

__all__ = ["SimulationActor", "as_actor", "play_on_actors"]

SECONDS_TO_START = 60  # for all actors; a busy or far cluster takes several


def as_actor(simulation_class: Any) -> Any:
    """Make a Ray actor of a class, on a processor of its own."""
    return ray.remote(num_cpus=1)(simulation_class)


class _SimulationActor:
    """A Ray actor made of a Simulation: plays the environment that it was given, as often as it is asked."""

    def __init__(self, env: Any) -> None:
        self.simulation = Simulation(env)

    def ready(self) -> bool:
        """Answer, once the actor runs."""
        return True

    def play(self, values: Values, tasks: list[Task]) -> list[Trajectory]:
        """Play what the tasks say with values from the object store, which are read where they lie."""
        return [play(self.simulation, values, task) for task in tasks]


SimulationActor = as_actor(_SimulationActor)


@contextmanager
def play_on_actors(env: Any, behaviour: str, num_actors: int | None, num_simulations: int) -> Iterator[PlayRound]:
    """Start actors, play rounds on them, and stop them at the end, whatever happens.

    Args:
        env: environment; every actor gets a copy.
        behaviour: what is played, by its name.
        num_actors: how many, at most one for each simulation. None takes as many as there are processors, and plays
            in this process until the first have started.
        num_simulations: how many streams there are.

    Raises:
        ClusterError: if the cluster can't place the actors, or loses one.
    """
    play_in_this_process = play_here(env, behaviour)  # compiles before the actors do, who would all do the same work
    wanted = min(num_simulations, num_actors or 0)
    with connected(wanted):
        actors = [SimulationActor.remote(env) for _ in range(wanted or min(num_simulations, count_cpus()))]
        started = {actor: actor.ready.remote() for actor in actors}
        try:
            if num_actors is not None:
                _wait_for(list(started.values()))
            yield lambda values, tasks: _play_round(play_in_this_process, started, values, tasks)
        finally:
            for actor in actors:
                ray.kill(actor)


def _wait_for(starting: list[Any]) -> None:
    try:
        ray.get(starting, timeout=SECONDS_TO_START)
    except GetTimeoutError:
        raise ClusterError(
            f"{len(starting)} actors of one processor each did not all start within {SECONDS_TO_START} s: the cluster "
            f"has {count_cpus()} processors, {ray.available_resources().get('CPU', 0):g} of them free; "
            f"ask for fewer actors"
        ) from None
    except RayError as error:
        raise _explain(error) from error


def _play_round(
    play_in_this_process: PlayRound, started: dict[Any, Any], values: Values, tasks: list[Task]
) -> Iterator[Trajectory]:
    """Share a round among the actors that have started; yield in the tasks' order, each as soon as it can be."""
    references = list(started.values())
    ready = set(ray.wait(references, num_returns=len(references), timeout=0)[0])
    actors = [actor for actor, reference in started.items() if reference in ready]
    if not actors:
        yield from play_in_this_process(values, tasks)
        return
    stored = ray.put(values)  # once a round; the actors of a node read one copy
    shares = [tasks[k :: len(actors)] for k in range(len(actors))]
    pending = {
        actor.play.remote(stored, share): k
        for k, (actor, share) in enumerate(zip(actors, shares, strict=True))
        if share
    }
    arrived: dict[int, list[Trajectory]] = {}
    for i in range(len(tasks)):
        actor, place = i % len(actors), i // len(actors)
        while actor not in arrived:
            for reference in ray.wait(list(pending), num_returns=1)[0]:
                try:
                    arrived[pending.pop(reference)] = ray.get(reference)
                except RayError as error:
                    raise _explain(error) from error
        yield arrived[actor][place]


def _explain(error: RayError) -> ClewError:
    """Ray's error in our words; a mistake of the user's comes back as the error it was on the actor."""
    if isinstance(error, RayTaskError):
        cause = error.cause
        return cause if isinstance(cause, ClewError) else ClusterError(f"an actor failed: {cause!r}")
    if isinstance(error, RayActorError):
        return ClusterError(f"an actor died: {str(error).splitlines()[0]}; the run can be started again")
    return ClusterError(f"Ray failed: {str(error).splitlines()[0]}")
