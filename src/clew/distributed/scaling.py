"""A model of what a round of local learners takes, on any number of actors and hosts.

A round goes through these stages, one after the other; every figure is a parameter that `calibration` measures:

    publish   the driver copies the values and puts them into the object store
    send      other hosts fetch them, each one copy, all from the driver's host
    call      the driver tells every actor what to do
    work      an actor copies the table, takes its steps, and looks for what changed; so for each of its simulations
    answer    what changed travels to the driver's host
    merge     the driver takes it in, simulation after simulation

Only `work` is shared among actors. The driver's part grows with their number, since each simulation sends what it
changed; so there is a number of actors beyond which more of them don't help. Two remedies are modelled too:

    fan_in      a tree of mergers: each takes in what `fan_in` below it made, and passes on one table of changes. What
                simulations do to a value is q -> q_i + k_i (q - q_0), and such maps can be composed first and applied
                later, so a tree comes to the same values but for rounding.
    num_blocks  the table in blocks of states, spread over the hosts, each with a process that publishes and merges it.
"""

import json
import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from clew.errors import RunError, SettingError

__all__ = ["Cluster", "Curve", "Load", "Parameters", "Round", "find_limit", "look_up", "seconds_of_round", "touched"]

BYTES_A_VALUE = 4  # of the table, as float32
BYTES_A_CHANGE = 8  # of a value that is sent back, with the number of its moves

Curve = tuple[tuple[int, float], ...]  # (how many, seconds for each of them) at some sizes, ascending


@dataclass(frozen=True)
class Parameters:
    """What a round is made of, as measured on one machine. All times in seconds.

    Attributes:
        cores: processors of each host.
        call: a call to an actor and back that carries nothing.
        issue: what each further call takes of the driver.
        seconds_a_call: work that is worth a call of its own; shorter rounds go to fewer actors.
        step: a step of learning, by the number of states.
        rows_a_step: share of steps that move a row that hasn't been moved in the same task, in a large table.
        prepare: a value of the table, for a task's copy of it and its search for changes; by the number of values.
        publish: a value of the table, copied and put into the object store; likewise.
        answer: a value that is sent back, put into the object store by the actor; by the number of values sent.
        merge: a value that is sent back, taken in by the driver; likewise.
        link_call: a message between hosts.
        link_byte: a byte between hosts.
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
        """Keep them as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Parameters":
        """Read what `write` kept.

        Raises:
            RunError: if the file isn't one.
        """
        try:
            found = json.loads(path.read_text())
            for name in ("step", "prepare", "publish", "answer", "merge"):
                found[name] = tuple((int(n), float(seconds)) for n, seconds in found[name])
            return cls(**found)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path} has no parameters of a round ({error}); clew bench --calibrate --out {path} writes them"
            ) from None


class Load(NamedTuple):
    """What a round has to do."""

    num_states: int
    num_actions: int
    num_simulations: int
    steps_a_round: float  # of all simulations together


class Cluster(NamedTuple):
    """Who does it."""

    num_actors: int
    num_hosts: int = 1
    fan_in: int = 0  # of a tree of mergers; 0 has the driver merge all
    num_blocks: int = 1


class Round(NamedTuple):
    """Seconds of the stages of a round."""

    publish: float
    send: float
    call: float
    work: float
    answer: float
    merge: float

    @property
    def seconds(self) -> float:
        """Of the whole round."""
        return sum(self)

    @property
    def share_of_work(self) -> float:
        """Part of the round in which actors work; the rest they wait for the driver."""
        return self.work / self.seconds


def look_up(curve: Curve, n: float) -> float:
    """Seconds for each of n, between measured sizes by a straight line of logarithms; beyond them, as at the last."""
    sizes = [size for size, _ in curve]
    i = bisect_right(sizes, n)
    if i == 0 or i == len(curve):
        return curve[min(i, len(curve) - 1)][1]
    (n0, seconds0), (n1, seconds1) = curve[i - 1], curve[i]
    part = math.log(n / n0) / math.log(n1 / n0)
    return float(seconds0 * (seconds1 / seconds0) ** part)


def touched(parameters: Parameters, num_states: int, num_steps: float) -> float:
    """Rows that so many steps move: a share of the steps at first, all rows in the end."""
    return num_states * -math.expm1(-parameters.rows_a_step * num_steps / num_states)


def seconds_of_round(parameters: Parameters, load: Load, cluster: Cluster) -> Round:
    """What the stages of a round take.

    Args:
        parameters: as measured.
        load: what is to be done.
        cluster: who does it; actors are spread evenly over hosts.

    Raises:
        SettingError: if there is less than one of anything, or a tree has mergers for one.
    """
    _check(load, cluster)
    p = parameters
    num_values = load.num_states * load.num_actions
    steps = load.steps_a_round / load.num_simulations
    task = num_values * look_up(p.prepare, num_values) + steps * look_up(p.step, load.num_states)
    worth = max(1, int(load.num_simulations * task / p.seconds_a_call))
    workers = min(cluster.num_actors, load.num_simulations, worth)
    hosts = min(cluster.num_hosts, workers)
    sent = touched(p, load.num_states, steps) * load.num_actions
    task += sent * look_up(p.answer, sent)
    crowding = max(1.0, math.ceil(workers / hosts) / p.cores)
    return Round(
        publish=num_values * look_up(p.publish, num_values) / cluster.num_blocks,
        send=_seconds_to_send(p, num_values, hosts, cluster),
        call=_seconds_to_call(p, workers, cluster),
        work=math.ceil(load.num_simulations / workers) * task * crowding,
        answer=0.0 if cluster.fan_in else _seconds_to_answer(p, sent, load.num_simulations, hosts, cluster),
        merge=_seconds_to_merge(p, load, hosts, cluster),
    )


def _seconds_to_send(p: Parameters, num_values: int, hosts: int, cluster: Cluster) -> float:
    """The values to the other hosts: to each in turn, or down the tree. None gets them faster than its own link."""
    if hosts == 1:
        return 0.0
    copies = _levels(hosts, cluster.fan_in) * cluster.fan_in if cluster.fan_in else hosts - 1
    in_a_row = max(1.0, copies / min(cluster.num_blocks, hosts))
    return copies * p.link_call + in_a_row * BYTES_A_VALUE * num_values * p.link_byte


def _seconds_to_call(p: Parameters, workers: int, cluster: Cluster) -> float:
    """Telling all actors, and the hosts of blocks, what to do: by the driver, or down the tree."""
    if cluster.fan_in:
        calls = _levels(workers, cluster.fan_in) * (p.call + (cluster.fan_in - 1) * p.issue)
        return max(p.call, calls) + (cluster.num_blocks - 1) * p.issue
    return p.call + (workers - 1 + cluster.num_blocks - 1) * p.issue


def _seconds_to_answer(p: Parameters, sent: float, num_simulations: int, hosts: int, cluster: Cluster) -> float:
    """What changed, over the busiest link: that of a host that merges, or that of a host that sends."""
    if hosts == 1:
        return 0.0
    tables = max(num_simulations * (1 - 1 / hosts) / min(cluster.num_blocks, hosts), num_simulations / hosts)
    return tables * BYTES_A_CHANGE * sent * p.link_byte


def _seconds_to_merge(p: Parameters, load: Load, hosts: int, cluster: Cluster) -> float:
    """Taking in what changed: all of it by the driver, or level by level, with transfers once a level spans hosts."""
    steps = load.steps_a_round / load.num_simulations
    fan_in = cluster.fan_in or load.num_simulations
    merged, seconds = 1, 0.0  # simulations in a table of changes
    while merged < load.num_simulations or not seconds:
        taken = min(fan_in, math.ceil(load.num_simulations / merged))
        sent = taken * touched(p, load.num_states, steps * merged) * load.num_actions
        seconds += sent * look_up(p.merge, sent / taken) / cluster.num_blocks
        merged *= taken
        if cluster.fan_in:
            crosses = min(merged, load.num_simulations) > load.num_simulations / hosts
            seconds += p.call + crosses * BYTES_A_CHANGE * sent / min(cluster.num_blocks, hosts) * p.link_byte
    return seconds


def _levels(n: int, fan: int) -> int:
    levels = 0
    while n > 1:
        n, levels = math.ceil(n / fan), levels + 1
    return levels


def find_limit(round_of: Callable[[int], Round], most: int = 1024) -> int | None:
    """The smallest number of actors with which they wait for the driver for more than half of a round.

    Args:
        round_of: the round of so many actors.
        most: numbers of actors that are looked at.

    Returns:
        The number, or None if there is none.
    """
    return next((n for n in range(1, most + 1) if round_of(n).share_of_work < 0.5), None)


def _check(load: Load, cluster: Cluster) -> None:
    for name, value in {**load._asdict(), **cluster._asdict()}.items():
        if name != "fan_in" and value < 1:
            raise SettingError(f"must be at least 1, not {value}", setting=name)
    if cluster.fan_in < 0 or cluster.fan_in == 1:
        raise SettingError(f"must be 2 or more, or 0 for no tree, not {cluster.fan_in}", setting="fan_in")
