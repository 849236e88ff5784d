"""A function that is called on Ray actors: each call runs on one of them, and again on another if that one is lost."""

import pickle
import queue
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import ObjectStoreFullError, OutOfDiskError, RayError, RayTaskError

from clew.distributed.cluster import START_TIMEOUT, check_alive, connected, not_started
from clew.distributed.handshake import Handshakes, check_plugins, describe_process
from clew.distributed.store import as_clew_error
from clew.errors import ClusterError
from clew.policies.plugins import Plugin, describe_failure, why_not_importable

SECONDS_BETWEEN_CHECKS = 0.5
MAX_LOST = 20  # actors in succession, without an answer between them

Check = Callable[[], None]


class _FunctionActor:
    """Actor that calls one function. It is made without arguments, so that it answers the handshake first."""

    function: Callable[..., Any]

    def ready(self) -> dict[str, str]:
        """Return the description of this process, see `handshake`."""
        return describe_process()

    def begin(self, pickled: bytes, plugins: list[Plugin]) -> None:
        """Load the function.

        Raises:
            ClusterError: if it can't be loaded here, or a plug-in is another than the driver's; names this host.
        """
        check_plugins(plugins)
        try:
            self.function = pickle.loads(pickled)
        except Exception as error:  # of an environment or an agent
            advice = "; put the module on PYTHONPATH before Ray is started" if isinstance(error, ImportError) else ""
            raise ClusterError(
                f"host {describe_process()['host']} can't be used: the experiment can't be loaded there: "
                f"{describe_failure(error)}{advice}"
            ) from None

    def call(self, *arguments: Any) -> Any:
        """Call the function, and return its result."""
        return self.function(*arguments)


class RemoteFunction:
    """A function on actors; several threads may call it, as many at a time as there are actors.

    Args:
        pickled: the function.
        plugins: modules of users that it needs.
        num_actors: number of actors, which are started at once.
    """

    def __init__(self, pickled: bytes, plugins: list[Plugin], num_actors: int) -> None:
        self._pickled, self._plugins, self._num_lost = pickled, plugins, 0
        self._handshakes = Handshakes()
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._actors = [self._start() for _ in range(num_actors)]
        for actor, *_ in self._actors:
            self._idle.put(actor)

    def _start(self) -> tuple[Any, Any, Any]:
        """Start an actor, and return it with references to its description and to the end of its start."""
        actor = ray.remote(num_cpus=1)(_FunctionActor).remote()
        return actor, actor.ready.remote(), actor.begin.remote(self._pickled, self._plugins)

    def wait_until_running(self) -> None:
        """Wait until all actors run.

        Raises:
            ClusterError: if they don't within a minute, or if one can't be used.
        """
        check_alive()
        starts = [start for *_, start in self._actors]
        ready, _ = ray.wait([hello for _, hello, _ in self._actors], num_returns=len(starts), timeout=START_TIMEOUT)
        if len(ready) < len(starts):
            raise not_started(len(starts))
        try:
            for description in ray.get(ready):
                self._handshakes.accept(description)
            ray.get(starts)
        except RayError as error:
            raise as_clew_error(error) from error

    def __call__(self, check: Check, *arguments: Any) -> Any:
        """Call the function on an idle actor, and return its result.

        Args:
            check: called twice a second; raises an error to stop waiting.
            arguments: of the function.

        Raises:
            ClewError: which the function has raised.
            ClusterError: if it has raised another error, or actor after actor is lost.
        """
        while True:
            actor = self._idle.get()
            try:
                reference = actor.call.remote(*arguments)
                while not ray.wait([reference], timeout=SECONDS_BETWEEN_CHECKS)[0]:
                    check()
                result = ray.get(reference)
            except (RayTaskError, ObjectStoreFullError, OutOfDiskError) as error:
                self._idle.put(actor)
                raise as_clew_error(error) from error
            except RayError as error:  # the actor is lost: another one runs the call
                check()
                self._idle.put(self._replace(error))
            except BaseException:
                self._idle.put(actor)
                raise
            else:
                self._num_lost = 0
                self._idle.put(actor)
                return result

    def _replace(self, error: RayError) -> Any:
        """Start an actor in the place of a lost one, which Ray runs when it has a processor for it.

        Raises:
            ClusterError: if actor after actor was lost.
        """
        self._num_lost += 1
        if self._num_lost > MAX_LOST:
            raise as_clew_error(error) from error
        self._actors.append(self._start())
        return self._actors[-1][0]

    def close(self) -> None:
        """Stop all actors."""
        for actor, *_ in self._actors:
            ray.kill(actor)


@contextmanager
def remote_function(
    function: Callable[..., Any], plugins: Iterable[Plugin], num_actors: int
) -> Iterator[RemoteFunction]:
    """Provide a function on actors, and stop the actors at the end; a Ray is started if none runs.

    Args:
        function: what it does must depend on its arguments alone, as a call may be repeated.
        plugins: modules of users that it needs.
        num_actors: number of actors, with a processor each.

    Raises:
        ClusterError: if the function can't be sent, or the actors can't be started or used.
    """
    needed = list(dict.fromkeys(plugins))
    for plugin in needed:
        if reason := why_not_importable(plugin):
            raise ClusterError(f"the plug-in {plugin.module} can't be used on actors: {reason}")
    try:
        pickled = cloudpickle.dumps(function)
    except Exception as error:  # of an environment or an agent
        raise ClusterError(
            f"the experiment can't be sent to actors: {type(error).__name__}: {error}; give worlds by their names, or "
            "take num_actors 0"
        ) from error
    with connected(num_actors):
        remote = RemoteFunction(pickled, needed, num_actors)
        try:
            remote.wait_until_running()
            yield remote
        finally:
            remote.close()
