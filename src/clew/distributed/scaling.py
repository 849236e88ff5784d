"""A model of the duration of a round of local learners, for any number of actors and hosts.

A round has these stages, one after the other; `clew.distributed.calibration` measures the parameters:

    publish   the driver copies the values and puts them into the object store
    send      the other hosts fetch them, one copy each, all from the host of the driver
    call      the driver calls every actor
    work      for each of its simulations, an actor copies the table, learns, and searches for the rows that changed
    answer    the changes are sent to the host of the driver
    merge     the driver merges the changes, simulation after simulation

Actors share only `work`. The time of the driver grows with the number of simulations, since each sends its changes; so
beyond some number of actors, more actors don't help. Two remedies are modelled too:

    fan_in      a tree of mergers: each merges the changes of `fan_in` others and sends on one table of changes. A
                simulation maps a value q to q_i + k_i (q - q_0), and such maps can be composed before they are
                applied, so a tree gives the same values except for rounding.
    num_blocks  the table in blocks of states, spread over the hosts; a process for each publishes and merges it.
"""

import json
import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import Field, asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from clew.errors import RunError, SettingError
from clew.files import open_file, save_file
from clew.settings import shown

BYTES_A_VALUE = 4  # of the table, float32
BYTES_A_CHANGE = 8  # of a value that is sent back, with the number of its updates

Curve = tuple[tuple[int, float], ...]  # (n, seconds per item if there are n), ascending in n


@dataclass(frozen=True)
class Parameters:
    """Parameters of a round, as measured on one machine; all times in seconds.

    A `Curve` gives the time of one item, depending on the number of items.

    Attributes:
        cores: number of processors of each host.
        call: a call of an actor, with its answer, that carries no data.
        issue: time of the driver for each further call.
        seconds_a_call: least work that is worth a call; shorter rounds use fewer actors.
        step: one step of learning, by the number of states.
        rows_a_step: rows that are changed per step, as long as few of the rows of a large table have been changed.
        prepare: copying one value of the table for a task, and comparing it afterwards, by the number of values.
        publish: copying one value of the table and putting it into the object store, by the number of values.
        answer: putting one changed value into the object store, in an actor, by the number of changed values.
        merge: merging one changed value, in the driver, by the number of changed values.
        link_call: one message between hosts.
        link_byte: one byte between hosts.
    """

    cores: int
    call: float
    issue: float
    seconds_a_call: float
    step: Curve
    rows_a_step: float
    prepare: Curve
    publish: Curve
    answer: Curve
    merge: Curve
    link_call: float
    link_byte: float

    def write(self, path: Path) -> None:
        """Write the parameters to a file as JSON.

        Raises:
            RunError: if it can't be written.
        """
        save_file(path, (json.dumps(asdict(self), indent=2) + "\n").encode(), RunError)

    @classmethod
    def read(cls, path: Path) -> "Parameters":
        """Read the parameters from a file that `write` has written.

        Raises:
            RunError: if the file can't be read, or isn't such a file.
        """
        try:
            with open_file(path) as file:
                found = json.loads(file.read())
            if not isinstance(found, dict) or found.keys() != {each.name for each in fields(cls)}:
                raise ValueError("its names are others")
            numbers = {each.name: _read_parameter(each, found[each.name]) for each in fields(cls)}
            return cls(**numbers)
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise RunError(
                f"{path} has no parameters of a round ({error}); write them with `clew bench --calibrate --out {path}`"
            ) from None


def _read_parameter(field: Field[Any], found: Any) -> Any:
    """Return a parameter that was read from JSON, as the type of its field.

    Raises:
        ValueError, TypeError: if it is not a number, or out of range, or a curve doesn't ascend.
    """
    if field.type == Curve:
        curve = tuple((int(_check_number(n)), float(_check_number(seconds))) for n, seconds in found)
        sizes = [n for n, _ in curve]
        if not curve or sizes != sorted({*sizes}) or not all(map(all, curve)):
            raise ValueError(f"{field.name} must ascend, and be above 0")
        return curve
    number = int(_check_number(found)) if field.type is int else float(_check_number(found))
    if number == 0 and field.name in ("cores", "seconds_a_call"):
        raise ValueError(f"{field.name} must be above 0")
    return number


def _check_number(found: Any) -> Any:
    if not isinstance(found, int | float) or not 0 <= found < 2**53:
        raise ValueError(f"expected a number from 0 to 2**53, not {shown(found)}")
    return found


class Load(NamedTuple):
    """Size of the problem, and of a round."""

    num_states: int
    num_actions: int
    num_simulations: int
    steps_a_round: float  # all simulations together


class Cluster(NamedTuple):
    """Actors and hosts that share a round."""

    num_actors: int
    num_hosts: int = 1
    fan_in: int = 0  # of a tree of mergers; 0: the driver merges everything
    num_blocks: int = 1  # into which the table is cut


class Round(NamedTuple):
    """Durations of the stages of a round, in seconds."""

    publish: float
    send: float
    call: float
    work: float
    answer: float
    merge: float

    @property
    def seconds(self) -> float:
        """Duration of the whole round, in seconds."""
        return sum(self)

    @property
    def share_of_work(self) -> float:
        """Share of the round in which actors work; during the rest they wait for the driver."""
        return self.work / self.seconds


def interpolate(curve: Curve, n: float) -> float:
    """Return the seconds per item for n items: linear in the logarithms of both, and constant beyond the ends."""
    i = bisect_right(curve, n, key=lambda point: point[0])
    if i == 0 or i == len(curve):
        return curve[min(i, len(curve) - 1)][1]
    (n0, seconds0), (n1, seconds1) = curve[i - 1], curve[i]
    part = math.log(n / n0) / math.log(n1 / n0)
    return float(seconds0 * (seconds1 / seconds0) ** part)


def count_changed_rows(parameters: Parameters, num_states: int, num_steps: float) -> float:
    """Return the expected number of rows that some steps change: proportional to few steps, all rows after many."""
    return num_states * -math.expm1(-parameters.rows_a_step * num_steps / num_states)


def seconds_of_round(parameters: Parameters, load: Load, cluster: Cluster) -> Round:
    """Predict the durations of the stages of a round.

    Args:
        parameters: as `calibration.calibrate` measures them.
        load: size of the problem and of the round.
        cluster: actors and hosts; actors are spread evenly over hosts.

    Returns:
        Seconds of each stage; `Round.seconds` is their sum.

    Raises:
        SettingError: if a number is below 1, or a fan_in is 1 or negative.
    """
    _check(load, cluster)
    p = parameters
    num_values = load.num_states * load.num_actions
    steps = load.steps_a_round / load.num_simulations
    task = num_values * interpolate(p.prepare, num_values) + steps * interpolate(p.step, load.num_states)
    worth = max(1, int(load.num_simulations * task / p.seconds_a_call))
    workers = min(cluster.num_actors, load.num_simulations, worth)
    hosts = min(cluster.num_hosts, workers)
    sent = count_changed_rows(p, load.num_states, steps) * load.num_actions
    task += sent * interpolate(p.answer, sent)
    crowding = max(1.0, math.ceil(workers / hosts) / p.cores)
    return Round(
        publish=num_values * interpolate(p.publish, num_values) / cluster.num_blocks,
        send=_seconds_to_send(p, num_values, hosts, cluster),
        call=_seconds_to_call(p, workers, cluster),
        work=math.ceil(load.num_simulations / workers) * task * crowding,
        answer=0.0 if cluster.fan_in else _seconds_to_answer(p, sent, load.num_simulations, hosts, cluster),
        merge=_seconds_to_merge(p, load, hosts, cluster),
    )


def _seconds_to_send(p: Parameters, num_values: int, hosts: int, cluster: Cluster) -> float:
    """Return the seconds in which all other hosts get the values: one after the other, or down the tree.

    Several blocks are sent at the same time, but a host receives no faster than its own link.
    """
    if hosts == 1:
        return 0.0
    copies = _levels(hosts, cluster.fan_in) * cluster.fan_in if cluster.fan_in else hosts - 1
    in_a_row = max(1.0, copies / min(cluster.num_blocks, hosts))
    return copies * p.link_call + in_a_row * BYTES_A_VALUE * num_values * p.link_byte


def _seconds_to_call(p: Parameters, workers: int, cluster: Cluster) -> float:
    """Return the seconds in which all actors and processes of blocks are called: by the driver, or down the tree."""
    if cluster.fan_in:
        calls = _levels(workers, cluster.fan_in) * (p.call + (cluster.fan_in - 1) * p.issue)
        return max(p.call, calls) + (cluster.num_blocks - 1) * p.issue
    return p.call + (workers - 1 + cluster.num_blocks - 1) * p.issue


def _seconds_to_answer(p: Parameters, sent: float, num_simulations: int, hosts: int, cluster: Cluster) -> float:
    """Return the seconds of `sent` changes per simulation on the busiest link: of a host that merges, or that sends."""
    if hosts == 1:
        return 0.0
    tables = max(num_simulations * (1 - 1 / hosts) / min(cluster.num_blocks, hosts), num_simulations / hosts)
    return tables * BYTES_A_CHANGE * sent * p.link_byte


def _seconds_to_merge(p: Parameters, load: Load, hosts: int, cluster: Cluster) -> float:
    """Return the seconds of all merges: by the driver, or level by level of the tree.

    Levels of the tree that span hosts include the transfer of the changes.
    """
    steps = load.steps_a_round / load.num_simulations
    fan_in = cluster.fan_in or load.num_simulations
    merged, seconds = 1, 0.0  # number of simulations in a table of changes
    while merged < load.num_simulations or not seconds:
        num_tables = min(fan_in, math.ceil(load.num_simulations / merged))
        sent = num_tables * count_changed_rows(p, load.num_states, steps * merged) * load.num_actions
        seconds += sent * interpolate(p.merge, sent / num_tables) / cluster.num_blocks
        merged *= num_tables
        if cluster.fan_in:
            crosses = min(merged, load.num_simulations) > load.num_simulations / hosts
            seconds += p.call + crosses * BYTES_A_CHANGE * sent / min(cluster.num_blocks, hosts) * p.link_byte
    return seconds


def _levels(n: int, fan_in: int) -> int:
    """Return the number of levels of a tree with n leaves."""
    return 0 if n <= 1 else 1 + _levels(math.ceil(n / fan_in), fan_in)


def find_limit(round_of: Callable[[int], Round], max_actors: int = 1024) -> int | None:
    """Find the smallest number of actors that wait for the driver for more than half of a round.

    Args:
        round_of: gives the stages of a round for a number of actors.
        max_actors: largest number that is tried.

    Returns:
        The number of actors; None if none up to `max_actors` does.
    """
    return next((n for n in range(1, max_actors + 1) if round_of(n).share_of_work < 0.5), None)


def _check(load: Load, cluster: Cluster) -> None:
    """Check that all numbers are at least 1, and that the fan-in of a tree is at least 2 (0: no tree)."""
    for name, value in {**load._asdict(), **cluster._asdict()}.items():
        if name != "fan_in" and value < 1:
            raise SettingError(f"must be at least 1, not {value}", setting=name)
    if cluster.fan_in < 0 or cluster.fan_in == 1:
        raise SettingError(f"must be 2 or more, or 0 for no tree, not {cluster.fan_in}", setting="fan_in")
