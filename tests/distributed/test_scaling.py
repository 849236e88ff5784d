"""The model of a round against sums by hand; the page against its figures; and one small calibration."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from benchmarks import scaling_report

from clew.distributed.scaling import (
    Cluster,
    Load,
    Parameters,
    Round,
    count_changed_rows,
    find_limit,
    interpolate,
    seconds_of_round,
)
from clew.errors import RunError, SettingError

DOCS = Path(__file__).parents[2] / "docs"

# Round figures; where all steps are new, for rows_a_step is small against the number of states, and exp(-x) near 1 - x.
ROUND = Parameters(
    cores=2,
    call=0.001,
    issue=0.0002,
    seconds_a_call=0.02,
    step=((100, 1e-8), (10_000, 4e-8)),
    rows_a_step=0.25,
    prepare=((400, 2e-9),),
    publish=((400, 3e-9),),
    answer=((400, 5e-9),),
    merge=((400, 7e-9),),
    link_call=0.01,
    link_byte=1e-8,
)
LOAD = Load(num_states=1_000_000, num_actions=4, num_simulations=4, steps_a_round=8_000_000)


def test_between_sizes_a_curve_is_straight_in_logarithms_and_beyond_them_flat():
    assert [interpolate(ROUND.step, n) for n in (1, 100, 10_000, 10**9)] == [1e-8, 1e-8, 4e-8, 4e-8]
    assert interpolate(ROUND.step, 1_000) == pytest.approx(2e-8)


def test_rows_are_a_share_of_the_steps_at_first_and_all_in_the_end():
    assert count_changed_rows(ROUND, 10**9, 1_000) == pytest.approx(250, rel=1e-6)
    assert count_changed_rows(ROUND, 1_000, 4_000) == pytest.approx(1_000 * (1 - math.exp(-1)))
    assert count_changed_rows(ROUND, 1_000, 10**9) == pytest.approx(1_000)


def test_a_round_by_hand():
    """Two million steps of a simulation move 1e6 * (1 - exp(-0.5)) = 393,469 rows, which are 1,573,877 values."""
    sent = 4e6 * (1 - math.exp(-0.5))
    task = 4e6 * 2e-9 + 2e6 * 4e-8 + sent * 5e-9  # 8 ms + 80 ms + 7.9 ms
    assert task == pytest.approx(0.0958694, rel=1e-6)
    on_two = seconds_of_round(ROUND, LOAD, Cluster(2))
    assert on_two == pytest.approx(
        Round(publish=0.012, send=0, call=0.0012, work=2 * task, answer=0, merge=4 * sent * 7e-9)
    )
    assert on_two.seconds == pytest.approx(0.012 + 0.0012 + 0.1917388 + 0.0440685, rel=1e-5)
    on_one = seconds_of_round(ROUND, LOAD, Cluster(1))
    assert (on_one.call, on_one.work) == pytest.approx((0.001, 4 * task))


def test_four_actors_share_two_processors_but_not_those_of_two_hosts():
    two, four = (seconds_of_round(ROUND, LOAD, Cluster(n)) for n in (2, 4))
    assert four.work == pytest.approx(two.work)
    apart = seconds_of_round(ROUND, LOAD, Cluster(4, num_hosts=2))
    assert apart.work == pytest.approx(two.work / 2)
    sent = 4e6 * (1 - math.exp(-0.5))
    assert apart.send == pytest.approx(0.01 + 16e6 * 1e-8)
    assert apart.answer == pytest.approx(2 * 8 * sent * 1e-8)


def test_rounds_too_short_for_many_calls_go_to_fewer_actors():
    """A task of 0.8 ms + ...: all four are worth 20 ms once, or not even that."""
    short = LOAD._replace(num_states=10_000, steps_a_round=400_000)
    assert seconds_of_round(ROUND, short, Cluster(4)).call == pytest.approx(0.001)
    assert seconds_of_round(replace(ROUND, seconds_a_call=0.002), short, Cluster(4)).call == pytest.approx(0.0016)


MANY = LOAD._replace(num_simulations=16, steps_a_round=32_000_000)  # two million steps of each, as before
SENT, SENT_BY_FOUR = (4e6 * (1 - math.exp(-0.25 * steps / 1e6)) for steps in (2e6, 8e6))


def test_a_tree_merges_level_by_level():
    """Of 16 simulations four mergers take four each, and one takes their four, which have more rows."""
    tree = seconds_of_round(ROUND, MANY, Cluster(16, num_hosts=8, fan_in=4))
    assert tree.merge == pytest.approx(sum(4 * sent * (7e-9 + 8 * 1e-8) + 0.001 for sent in (SENT, SENT_BY_FOUR)))
    assert tree.answer == 0
    assert tree.send == pytest.approx(2 * 4 * (0.01 + 0.16))  # to 8 hosts: two levels, four each
    assert tree.call == pytest.approx(2 * (0.001 + 3 * 0.0002))
    near, one = (seconds_of_round(ROUND, MANY, Cluster(16, num_hosts=n, fan_in=4)) for n in (4, 1))
    assert tree.merge - near.merge == pytest.approx(4 * SENT * 8 * 1e-8)  # the first level stays on its host
    assert near.merge - one.merge == pytest.approx(4 * SENT_BY_FOUR * 8 * 1e-8)  # and so does the second
    nine = MANY._replace(num_simulations=9, steps_a_round=18e6)  # the last level has three tables for four
    assert seconds_of_round(ROUND, nine, Cluster(9, fan_in=4)).merge == pytest.approx(
        4 * SENT * 7e-9 + 3 * SENT_BY_FOUR * 7e-9 + 2 * 0.001
    )


def test_blocks_share_what_the_driver_did_as_far_as_links_allow():
    """Fourteen tables came to the driver from others; now each of four blocks' hosts takes a quarter of them."""
    whole, blocks = (seconds_of_round(ROUND, MANY, Cluster(16, 8, num_blocks=n)) for n in (1, 4))
    assert (whole.publish, whole.merge) == pytest.approx((4 * blocks.publish, 4 * blocks.merge))
    assert whole.answer == pytest.approx(14 * 8 * SENT * 1e-8)
    assert blocks.answer == pytest.approx(whole.answer / 4)
    assert seconds_of_round(ROUND, MANY, Cluster(16, 8, num_blocks=64)).answer == pytest.approx(whole.answer / 7)
    assert (whole.send, blocks.send) == pytest.approx((7 * 0.17, 7 * 0.01 + 7 / 4 * 0.16))
    assert blocks.call == pytest.approx(whole.call + 3 * 0.0002)
    assert blocks.work == whole.work


def test_more_of_anything_takes_longer():
    cluster = Cluster(8, num_hosts=4)
    before = seconds_of_round(ROUND, LOAD, cluster).seconds
    for more in (
        LOAD._replace(num_states=2_000_000),
        LOAD._replace(num_actions=5),
        LOAD._replace(steps_a_round=9e6),
        LOAD._replace(num_simulations=16, steps_a_round=32e6),
    ):
        assert seconds_of_round(ROUND, more, cluster).seconds > before
    for name in ("call", "issue", "rows_a_step", "link_call", "link_byte"):
        slower = replace(ROUND, **{name: 2 * getattr(ROUND, name)})
        assert seconds_of_round(slower, LOAD, cluster).seconds > before


def test_the_limit_is_where_half_of_a_round_is_waiting():
    """Work of a second, and a millisecond of driver for each actor: a thousand are as long as the work."""
    limit = find_limit(lambda n: Round(0, 0, 0, work=1.0, answer=0, merge=0.001 * n))
    assert limit == 1001
    assert find_limit(lambda n: Round(0, 0, 0, work=1.0, answer=0, merge=0.001 * n), max_actors=100) is None


@pytest.mark.parametrize(
    ("load", "cluster", "message"),
    [
        (LOAD, Cluster(0), "num_actors must be at least 1, not 0"),
        (LOAD._replace(num_states=0), Cluster(1), "num_states must be at least 1, not 0"),
        (LOAD, Cluster(1, fan_in=1), "fan_in must be 2 or more, or 0 for no tree, not 1"),
    ],
)
def test_what_cannot_be_is_named(load, cluster, message):
    with pytest.raises(SettingError, match=message):
        seconds_of_round(ROUND, load, cluster)


def test_parameters_are_kept_as_json(tmp_path):
    ROUND.write(tmp_path / "round.json")
    assert Parameters.read(tmp_path / "round.json") == ROUND
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(RunError, match=r"other.json has no parameters of a round \(its names are others\)"):
        Parameters.read(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cores", '"two"'),
        ("call", f'"{"x" * 9999}"'),
        ("cores", "0"),
        ("call", "1e999"),
        ("call", "9" * 400),
        ("call", "[" * 10**5),
        ("step", "[]"),
        ("step", "[[100, 1e-8], [100, 2e-8]]"),
        ("merge", "[[1e999, 1.0]]"),
        ("merge", "[[400, 0.0]]"),
    ],
)
def test_damaged_parameters_are_refused(tmp_path, name, value):
    path = tmp_path / "round.json"
    path.write_text(json.dumps({**asdict(ROUND), name: "HERE"}).replace('"HERE"', value))
    with pytest.raises(RunError, match=r"round.json has no parameters of a round \(") as caught:
        Parameters.read(path)
    assert len(str(caught.value)) < 1000


def test_the_page_is_that_of_its_figures(tmp_path):
    """If not: make scaling DRAW=--draw."""
    results = json.loads((DOCS / "scaling.json").read_text())
    assert (DOCS / "scaling.md").read_text() == scaling_report.write_page(results)
    scaling_report.draw(results, tmp_path / "scaling.svg")
    assert ">16 million states<" in (tmp_path / "scaling.svg").read_text()


@pytest.mark.ray
def test_a_calibration_measures_positive_times(ray_up):
    from clew.distributed.calibration import calibrate

    found = calibrate(sides=(10, 30), num_steps=20_000, repetitions=2)
    for name in ("call", "issue", "rows_a_step", "link_call", "link_byte"):
        assert 0 < getattr(found, name) < 1, name
    for name, sizes in (("step", [100, 900]), ("prepare", [400, 3600]), ("publish", [400, 3600])):
        assert [n for n, _ in getattr(found, name)] == sizes
    for name in ("step", "prepare", "publish", "answer", "merge"):
        assert all(0 < seconds < 1e-3 for _, seconds in getattr(found, name)), name
    assert seconds_of_round(found, LOAD, Cluster(2)).seconds > 0
