from clew.distributed.placement import MAX_LOSS, NUM_PROBES, PROBE_EVERY, Placement


class Clock:
    """Rounds in two places of known speed, in seconds of a clock that stands still unless a round runs."""

    def __init__(self, monkeypatch, overhead_there, seconds_per_step=1e-6, overhead_here=1e-4):
        self.now, self.placement, self.ran = 100.0, Placement(), []
        self.overheads, self.rate = {False: overhead_here, True: overhead_there}, seconds_per_step
        monkeypatch.setattr("time.perf_counter", lambda: self.now)

    def run(self, num_steps, num_workers=2):
        """Run a round where it is placed; return whether that is on actors."""
        is_there = self.placement.is_there(num_steps, num_workers)
        begun, work = self.now, num_steps * self.rate
        self.now += self.overheads[is_there] + (work / num_workers if is_there else work)
        if len(self.ran) == (NUM_PROBES if is_there else 0):
            self.now += 0.5  # the machine code is loaded
        self.placement.add(begun, work, 0.0, num_steps, num_workers if is_there else 0, num_steps)
        self.ran.append(is_there)
        return is_there


def test_short_rounds_run_here_and_long_ones_on_actors(monkeypatch):
    clock = Clock(monkeypatch, overhead_there=3e-3)
    first = [clock.run(100) for _ in range(2 * NUM_PROBES)]
    assert first == [False] * NUM_PROBES + [True] * NUM_PROBES
    others = [clock.run(5_000) for _ in range(500)]  # 5.1 ms, or 5.5
    assert others.count(True) == 500 // PROBE_EVERY
    others = [clock.run(8_000) for _ in range(500)]  # 8.1 ms, or 7
    assert others.count(False) == 500 // PROBE_EVERY
    assert [clock.run(100_000) for _ in range(PROBE_EVERY)].count(False) == 1


def test_the_other_place_is_measured_again_where_little_is_lost(monkeypatch):
    clock = Clock(monkeypatch, overhead_there=1e-2)
    for _ in range(2 * NUM_PROBES):
        clock.run(15_000)
    assert not clock.run(15_000)  # 15.1 ms, or 17.5
    clock.overheads[True] = 1e-3  # the cluster is less busy now
    ran = [clock.run(15_000) for _ in range(8 * PROBE_EVERY)]
    assert ran[-2 * PROBE_EVERY :].count(False) == 2
    clock.overheads[True] = 15e-3 * MAX_LOSS
    ran = [clock.run(15_000) for _ in range(4 * PROBE_EVERY)]
    assert not any(ran[PROBE_EVERY:])  # not again: too much would be lost


def test_tasks_that_take_more_steps_than_they_are_asked_for_are_placed_by_those_they_take(monkeypatch):
    """As those of environments that are stepped in Python, whose episodes are played to their end."""
    clock = Clock(monkeypatch, overhead_there=3e-3)
    for _ in range(100):
        is_there = clock.placement.is_there(100, 2)
        begun, work = clock.now, 8_000 * clock.rate
        clock.now += clock.overheads[is_there] + (work / 2 if is_there else work)
        clock.placement.add(begun, work, 0.0, 8_000, 2 if is_there else 0, 100)
        clock.ran.append(is_there)
    assert clock.ran[2 * NUM_PROBES :].count(False) <= 2


def test_it_is_known_what_one_process_would_have_taken(monkeypatch):
    clock = Clock(monkeypatch, overhead_there=1e-3)
    for _ in range(1000):
        clock.run(1_000_000)
    placement = clock.placement
    assert placement.seconds == clock.now - 100.0
    assert abs(placement.seconds_here / (1000 * (1.0 + 1e-4)) - 1) < 0.01
    assert placement.seconds < 0.53 * placement.seconds_here
