"""Learning curves, regret and times to the optimum: numbers by hand, and what the plots hold of them."""

import csv
import math
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest

import clew
from clew.errors import ExtraError, RunError, SettingError
from clew.experiments.samples import as_groups, read_metrics
from clew.figures.curves import regret, save_plot, time_to_optimal
from clew.learning.metrics import RoundMetrics
from clew.rendering.colours import COLOURS, SERIES
from clew.rendering.plots import STYLES, Labels, Line, plot_lines
from clew.runs.configuration import TrainingConfig
from clew.runs.run import train_run


def metrics(steps, returns=None, sizes=None, rate=1.0):
    """Metrics of a run with these mean steps, of rounds of ten episodes unless told otherwise."""
    sizes = sizes or [10] * len(steps)
    returns = returns or [-each for each in steps]
    return [
        RoundMetrics(i, size, int(size * mean), mean, rate, gain, 0.5, sum(sizes[: i + 1]), sum(sizes))
        for i, (size, mean, gain) in enumerate(zip(sizes, steps, returns, strict=True))
    ]


def the_line(plot, index=0):
    """What a line shows: (x, y)."""
    return tuple(np.asarray(each) for each in plot.axes[0].get_lines()[index].get_data())


def the_bands(plot):
    """What bands show: for each a dictionary from x to (low, high)."""
    bands = []
    for band in plot.axes[0].collections:
        seen = {}
        for x, y in band.get_paths()[0].vertices:
            seen.setdefault(float(x), []).append(float(y))
        bands.append({x: (min(ys), max(ys)) for x, ys in seen.items()})
    return bands


def the_optimum(plot):
    return [float(line.get_ydata()[0]) for line in plot.axes[0].get_lines() if line.get_gid() == "optimum"]


def words_in(axes):
    return [text.get_text() for text in axes.texts]


# Learning curves ------------------------------------------------------------------------------------------------------


def test_the_line_is_the_mean_and_the_band_students_interval():
    runs = [
        metrics([30.0, 12.0], sizes=[10, 5]),
        metrics([36.0, 10.0], sizes=[10, 5]),
        metrics([42.0, 14.0], [0, 0], [10, 5]),
    ]
    plot = clew.plot_learning(runs, optimum=8)
    x, y = the_line(plot)
    assert x.tolist() == [10, 15]  # episodes at the end of each round
    assert y.tolist() == [36, 12]
    # Deviations 6 and 2, t of 2 degrees of freedom 4.30265: 4.30265 * 6 / sqrt(3) = 14.9048, a third of it 4.9683.
    (band,) = the_bands(plot)
    assert band[10.0] == pytest.approx((36 - 14.9048, 36 + 14.9048), abs=1e-3)
    assert band[15.0] == pytest.approx((12 - 4.9683, 12 + 4.9683), abs=1e-3)
    assert the_optimum(plot) == [8]
    assert words_in(plot.axes[0]) == ["optimum\n8"]
    assert "mean over 3 seeds" in plot.get_supxlabel()
    assert "95% interval" in plot.get_supxlabel()


def test_a_single_seed_has_no_band():
    plot = clew.plot_learning(metrics([30.0, 12.0]), optimum=8)
    assert the_line(plot)[1].tolist() == [30, 12]
    assert the_bands(plot) == []
    assert plot.get_supxlabel() == "one seed"
    assert plot.axes[0].get_legend() is None


def test_each_figure_has_its_own_column_and_words():
    run = metrics([30.0, 12.0], returns=[-3.5, -1.25], rate=0.75)
    assert the_line(clew.plot_learning(run, figure="mean_return"))[1].tolist() == [-3.5, -1.25]
    rate = clew.plot_learning(run, figure="terminated_rate", optimum=1)
    assert the_line(rate)[1].tolist() == [0.75, 0.75]
    rate.draw_without_rendering()
    labels = [label.get_text() for label in rate.axes[0].get_yticklabels()]
    assert {"0%", "50%", "100%"} <= set(labels)
    assert words_in(rate.axes[0]) == ["optimum\n100%"]
    assert the_optimum(clew.plot_learning(run)) == []  # metrics alone don't tell it


def test_numbers_on_axes_have_their_thousands_apart():
    run = metrics([9000.0, 8500.0, 8000.0], sizes=[5000] * 3)
    plot = clew.plot_learning(run, title="Title")
    plot.draw_without_rendering()
    assert "15,000" in [label.get_text() for label in plot.axes[0].get_xticklabels()]
    assert "8,600" in [label.get_text() for label in plot.axes[0].get_yticklabels()]
    assert plot.get_suptitle() == "Title"
    gains = clew.plot_learning(run, figure="mean_return")
    gains.draw_without_rendering()
    assert "\N{MINUS SIGN}8,600" in [label.get_text() for label in gains.axes[0].get_yticklabels()]


def test_a_wide_range_is_shown_on_a_log_scale_and_says_so():
    wide, narrow = clew.plot_learning(metrics([400.0, 9.0])), clew.plot_learning(metrics([40.0, 9.0]))
    assert (wide.axes[0].get_yscale(), narrow.axes[0].get_yscale()) == ("log", "linear")
    assert (wide.axes[0].get_ylabel(), narrow.axes[0].get_ylabel()) == (
        "mean steps per episode, log scale",
        "mean steps per episode",
    )


def test_a_wide_range_of_negative_returns_has_a_log_scale_too():
    plot = clew.plot_learning(metrics([9.0] * 3, returns=[-1250.0, -90.0, -15.0]), figure="mean_return", optimum=-13)
    plot.draw_without_rendering()
    axes = plot.axes[0]
    assert axes.get_ylabel() == "mean return per episode, log scale"
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown == [f"\N{MINUS SIGN}{tick}" for tick in ("10", "20", "50", "100", "200", "500", "1,000")]
    heights = axes.transAxes.inverted().transform(axes.transData.transform([(0, -1000), (0, -100), (0, -13)]))[:, 1]
    assert 0.05 < heights[0] < 0.15
    assert heights[1] - heights[0] == pytest.approx((heights[2] - heights[1]) / math.log10(100 / 13))
    mixed = clew.plot_learning(metrics([9.0] * 3, returns=[-1250.0, -90.0, 15.0]), figure="mean_return")
    assert mixed.axes[0].get_yscale() == "linear"


def test_many_lines_are_thinner_and_have_their_legend_beside_the_axes():
    few, many = (
        clew.plot_learning({f"rule {i}": [metrics([30.0 + i, 12.0]), metrics([31.0 + i, 10.0])] for i in range(n)})
        for n in (6, 12)
    )
    assert few.legends == []
    assert many.axes[0].get_legend() is None
    (legend,) = many.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"rule {i}" for i in range(12)]
    assert many.axes[0].get_lines()[0].get_linewidth() < few.axes[0].get_lines()[0].get_linewidth()
    assert many.axes[0].collections[0].get_alpha() < few.axes[0].collections[0].get_alpha()
    for plot in (few, many):
        plot.draw_without_rendering()
    box, axes = legend.get_window_extent(), many.axes[0].get_window_extent()
    assert box.x0 > axes.x1
    assert box.x1 <= many.bbox.x1
    assert axes.width > 0.95 * few.axes[0].get_window_extent().width
    long = clew.plot_learning({f"rule {i}": [metrics([30.0])] for i in range(40)})
    long.draw_without_rendering()
    assert long.legends[0].get_window_extent().y0 > 0


def test_algorithms_differ_in_colour_and_in_style_and_stand_in_the_legend():
    runs = {f"rule {i}": [metrics([30.0 + i, 12.0])] for i in range(4)}
    plot = clew.plot_learning(runs, optimum=8)
    lines = plot.axes[0].get_lines()[:4]
    assert [line.get_color() for line in lines] == list(SERIES[:4])
    assert len({str(line._dash_pattern) for line in lines}) == 4
    assert [text.get_text() for text in plot.axes[0].get_legend().get_texts()] == list(runs)
    assert plot.get_supxlabel() == "one seed each"
    assert math.gcd(len(SERIES), len(STYLES)) == 1  # so that no pair of them comes twice in 30 lines


def test_lines_of_other_lengths_lie_over_each_other_and_a_single_point_is_a_dot():
    runs = {
        "long": [metrics([30.0, 12.0, 9.0]), metrics([32.0, 10.0, 9.0])],
        "one round": [metrics([25.0], sizes=[30]), metrics([27.0], sizes=[30])],
    }
    for plot in (clew.plot_learning(runs, optimum=8), clew.plot_regret(runs, optimum=8)):
        plot.draw_without_rendering()
    dot = clew.plot_learning(runs, optimum=8).axes[0].get_lines()[1]
    assert (dot.get_xdata().tolist(), dot.get_ydata().tolist(), dot.get_marker()) == ([30], [26], "o")


def test_optima_that_differ_are_drawn_in_the_colours_of_their_lines():
    lines = [Line(str(i), np.array([1.0, 2.0]), np.array([9.0, 8.0]), optimum=i) for i in (7.0, 6.0)]
    plot = plot_lines(lines, Labels("", "", ["x"], "y"))
    drawn = {line.get_ydata()[0]: line.get_color() for line in plot.axes[0].get_lines() if line.get_gid() == "optimum"}
    assert drawn == {7.0: SERIES[0], 6.0: SERIES[1]}
    same = plot_lines([line._replace(optimum=7.0) for line in lines], Labels("", "", ["x"], "y"))
    assert [line.get_color() for line in same.axes[0].get_lines()[2:]] == [COLOURS["optimum"]]


# Regret ---------------------------------------------------------------------------------------------------------------


def test_regret_is_the_sum_over_episodes_of_what_was_lost():
    run = metrics([30.0, 12.0, 8.0], returns=[-5.0, 0.0, 2.0], sizes=[10, 10, 4], rate=0.5)
    assert regret(run, 8).tolist() == [220, 260, 260]  # 10 * 22, and 10 * 4, and nothing
    assert regret(run, 2, "mean_return").tolist() == [70, 90, 90]
    assert regret(run, 1, "terminated_rate").tolist() == [5, 10, 12]
    x, y = the_line(clew.plot_regret(run, optimum=8))
    assert (x.tolist(), y.tolist()) == ([0, 10, 20, 24], [0, 220, 260, 260])


def test_the_band_of_regret_is_that_of_the_sums_and_not_the_sum_of_bands():
    plot = clew.plot_regret([metrics([10.0, 14.0]), metrics([14.0, 10.0])], optimum=8)
    assert the_line(plot)[1].tolist() == [0, 40, 80]
    (band,) = the_bands(plot)
    assert band[20.0] == pytest.approx((80, 80))  # both lost 80 in the end
    assert band[10.0] == pytest.approx((40 - 12.7062 * 20, 40 + 12.7062 * 20), rel=1e-4)


# Steps to optimal -----------------------------------------------------------------------------------------------------


def test_time_counts_up_to_the_first_round_from_which_on_it_stays():
    run = metrics([30.0, 9.0, 11.0, 10.0, 9.0])  # a quarter over 8 is 10: the second round is near, but doesn't stay
    assert time_to_optimal(run, 8) == (300 + 90 + 110 + 100, 40)
    assert time_to_optimal(run, 8, tolerance=0.5) == (390, 20)
    assert time_to_optimal(run, 8, tolerance=3.0) == (300, 10)
    assert time_to_optimal(run, 8, tolerance=0.125) == (690, 50)
    assert time_to_optimal(run, 8, tolerance=0.1) is None
    assert time_to_optimal(run, 100) == (300, 10)  # better than the optimum is luck, and near
    gains = metrics([5.0] * 4, returns=[-9.0, 3.0, 4.0, 5.0])
    assert time_to_optimal(gains, 4, "mean_return") == (100, 20)
    losses = metrics([5.0] * 4, returns=[-9.0, -5.0, -4.5, -5.0])
    assert time_to_optimal(losses, -4, "mean_return") == (100, 20)  # a quarter of 4 below -4 is -5
    assert time_to_optimal(losses, -4, "mean_return", 0.2) is None


def test_short_episodes_that_are_truncated_or_end_badly_are_not_near():
    assert time_to_optimal(metrics([5.0] * 3, rate=0.0), 8) is None
    assert time_to_optimal(metrics([8.0] * 3, rate=0.75), 8) is None  # 10.7 steps for each that reaches the goal
    assert time_to_optimal(metrics([8.0] * 3, rate=0.8), 8) == (80, 10)
    bad = metrics([5.0] * 3, returns=[0.0, 0.75, 0.8])
    assert time_to_optimal(bad, 8, least_return=0.75) == (100, 20)
    assert time_to_optimal(bad, 8, least_return=0.81) is None


def test_the_step_limit_of_a_run_is_that_of_its_optimum():
    run = train_run(TrainingConfig(maze="6x6", max_episode_steps=5, num_episodes=20))
    plot = clew.plot_steps_to_optimal(run)
    assert words_in(plot.axes[1]) == ["never"]  # no goal is five steps away
    assert as_groups(run)[0].find_optimum().mean_return == 0.0


def test_dots_are_seeds_with_their_median_in_steps_and_episodes():
    runs = {
        "slow": [metrics([30.0, 9.0, 9.0]), metrics([40.0, 30.0, 9.0]), metrics([20.0, 9.0, 9.0])],
        "never": [metrics([30.0, 9.0, 9.0]), metrics([30.0, 30.0, 30.0]), metrics([30.0, 9.0, 20.0])],
    }
    plot = clew.plot_steps_to_optimal(runs, optimum=8)
    steps, episodes = plot.axes
    assert steps.collections[0].get_offsets()[:, 0].tolist() == [390, 790, 290]
    assert episodes.collections[0].get_offsets()[:, 0].tolist() == [20, 30, 20]
    assert steps.collections[1].get_offsets()[:, 0].tolist() == [390]
    medians = [float(line.get_xdata()[0]) for line in steps.get_lines() if line.get_gid() == "median"]
    assert medians == [390]  # none where most never come there
    assert words_in(steps) == ["390"]
    assert words_in(episodes) == ["20", "2 of 3\nnever"]
    assert [label.get_text() for label in steps.get_yticklabels()] == ["slow", "never"]
    assert (steps.get_xlabel(), episodes.get_xlabel()) == ("environment steps", "episodes")
    assert "within 25% of the optimum" in plot.get_supxlabel()


def test_where_nobody_comes_to_the_optimum_there_is_a_plot_all_the_same():
    plot = clew.plot_steps_to_optimal(metrics([30.0, 30.0]), optimum=8)
    assert words_in(plot.axes[1]) == ["never"]
    plot.draw_without_rendering()


def test_runs_whose_rounds_end_after_other_episodes_are_compared_at_the_ends_of_the_first():
    plain, other = metrics([30.0, 10.0, 8.0], sizes=[10, 10, 20]), metrics([40.0, 10.0], sizes=[5, 35])
    (group,) = as_groups([plain, other])
    assert group.episodes.tolist() == [10, 20, 40]
    assert group.column("mean_steps").tolist() == [[30.0, 10.0, 8.0], [25.0, 10.0, 10.0]]
    assert group.column("mean_return").tolist() == [[-30.0, -10.0, -8.0], [-25.0, -10.0, -10.0]]
    assert group.column("num_steps").tolist() == [[300, 100, 160], [250, 100, 200]]
    assert [row.num_ended for row in group.runs[1]] == [10, 20, 40]
    assert sum(row.seconds for row in group.runs[1]) == sum(row.seconds for row in other)


# Runs and folders -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Run folders: two seeds of Q-learning in the book's maze, and one of Sarsa."""
    place = tmp_path_factory.mktemp("runs")
    for name, settings in {"q0": {}, "q1": {"seed": 1}, "s0": {"algorithm": "sarsa", "alpha": 0.5}}.items():
        train_run(TrainingConfig(num_episodes=300, **settings)).save(place / name)
    return place


def test_folders_and_runs_are_told_apart_by_what_differs_and_bring_their_optimum(folders):
    run = train_run(TrainingConfig(num_episodes=300, seed=2))
    groups = as_groups([folders / "q0", str(folders / "s0"), folders / "q1", run])
    assert [(group.name, len(group.runs)) for group in groups] == [
        ("q-learning, alpha 0.1", 3),
        ("sarsa, alpha 0.5", 1),
    ]
    assert [group.find_optimum().mean_steps for group in groups] == [8, 8]
    assert groups[0].find_optimum().mean_return == 1  # without a discount
    assert groups[0].find_optimum().terminated_rate is None
    plot = clew.plot_learning([folders / "q0", folders / "q1", folders / "s0"])
    assert the_optimum(plot) == [8]
    assert the_line(plot)[1][0] == (groups[0].runs[0][0].mean_steps + groups[0].runs[1][0].mean_steps) / 2
    assert the_line(plot)[0][-1] == 300
    assert "1 to 2 seeds" in plot.get_supxlabel()
    assert the_optimum(clew.plot_learning(folders / "q0", optimum=7.5)) == [7.5]


def test_metrics_come_back_from_a_folder_as_they_were(tmp_path, seal):
    run = train_run(TrainingConfig(num_episodes=50))
    run.save(tmp_path / "run")
    assert read_metrics(tmp_path / "run") == (run.config, run.metrics)
    path = tmp_path / "run" / "metrics.csv"
    rows = [asdict(row) for row in run.metrics]
    old = [{name: row[name] for name in row if name not in ("staleness", "num_bytes")} for row in rows]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(old[0]))
        writer.writeheader()
        writer.writerows(old)
    seal(tmp_path / "run")
    assert read_metrics(tmp_path / "run")[1] == [replace(row, staleness=0, num_bytes=0) for row in run.metrics]


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "round\n0\n",
        "{head}\n",
        "{head}\n0,1,x,1,1,1,1,1\n",
        "{head}\n0,1,10,1,nan,1,1,1\n",
        "{head}\n0,1\n",
        "{head}\n0,1,0,1,1,1,1,1\n",
        "{head}\n0,1,10,1,1e300,1,1,1\n",
        "{head}\n0,1," + "9" * 400 + ",1,1,1,1,1\n",
    ],
)
def test_damaged_metrics_are_refused_by_name(folders, tmp_path, seal, damage):
    import shutil

    shutil.copytree(folders / "q0", tmp_path / "run")
    head = "round,num_rounds,num_episodes,num_steps,mean_steps,terminated_rate,mean_return,seconds"
    (tmp_path / "run" / "metrics.csv").write_text(damage.format(head=head))
    with pytest.raises(RunError, match=r"metrics\.csv: damaged: its SHA-256"):
        clew.plot_learning(tmp_path / "run")
    seal(tmp_path / "run")
    with pytest.raises(RunError, match=r"metrics\.csv: damaged: expected one row of metrics per round"):
        clew.plot_learning(tmp_path / "run")


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plot", [clew.plot_learning, clew.plot_regret, clew.plot_steps_to_optimal])
def test_what_cant_be_plotted_is_refused(plot):
    for nothing in ([], {}, {"sarsa": []}):
        with pytest.raises(SettingError, match="there are no runs"):
            plot(nothing, optimum=8)
    with pytest.raises(SettingError, match="at least one RoundMetrics"):
        plot([[]], optimum=8)
    with pytest.raises(SettingError, match="not int"):
        plot(5, optimum=8)
    short = [metrics([30.0, 12.0, 9.0]), metrics([30.0, 12.0])]
    with pytest.raises(SettingError, match="the same number of episodes: metrics has 20, metrics 30"):
        plot(short, optimum=8)
    plot({"long": short[:1], "short": short[1:]}, optimum=8)  # of other lines they may differ
    with pytest.raises(
        SettingError, match="figure must be one of mean_steps, mean_return, terminated_rate, not 'reward'"
    ):
        plot(metrics([30.0]), figure="reward", optimum=8)
    with pytest.raises(SettingError, match="optimum must be a finite number"):
        plot(metrics([30.0]), optimum=math.inf)


def test_what_needs_an_optimum_says_so():
    for plot in (clew.plot_regret, clew.plot_steps_to_optimal):
        with pytest.raises(SettingError, match="optimum must be given: that of mean_steps is unknown here"):
            plot(metrics([30.0]))
    with pytest.raises(SettingError, match="optimum is 0"):
        clew.plot_steps_to_optimal(metrics([30.0]), optimum=0)
    with pytest.raises(SettingError, match="tolerance must be a finite number above 0"):
        clew.plot_steps_to_optimal(metrics([30.0]), optimum=8, tolerance=0)


def test_exploring_starts_begin_elsewhere_and_have_no_optimum():
    run = train_run(TrainingConfig(num_episodes=20, exploring_starts=True))
    assert as_groups(run)[0].find_optimum().mean_steps is None


def test_a_run_that_is_there_twice_is_no_second_sample(folders):
    with pytest.raises(SettingError, match=r"repeats .*q0: the same settings and the same seed"):
        clew.plot_learning([folders / "q0", folders / "q0"])


# Files, and what is shared --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")]
)
def test_a_plot_is_kept_by_the_ending(tmp_path, ending, begins):
    save_plot(clew.plot_learning(metrics([30.0, 12.0]), optimum=8), tmp_path / f"plot{ending}")
    assert (tmp_path / f"plot{ending}").read_bytes().startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == [f"plot{ending}"]


def test_where_a_plot_cant_be_kept_it_says_so(tmp_path):
    plot = clew.plot_learning(metrics([30.0, 12.0]))
    with pytest.raises(SettingError, match=r"saved as \.png, \.svg or \.pdf"):
        save_plot(plot, tmp_path / "plot.gif")
    with pytest.raises(RunError, match="can't be written: No such file"):
        save_plot(plot, tmp_path / "none" / "plot.png")


def test_a_notebook_gets_a_picture_twice_as_sharp_as_it_is_shown():
    plot = clew.plot_learning(metrics([30.0, 12.0]))
    data, size = plot._repr_png_()
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    assert size == {"width": 960, "height": 540}
    assert (width, height) == (1920, 1080)
    assert len(data) < len(plot.data("png")) / 2


def test_plotting_needs_no_pyplot_and_changes_no_setting():
    code = """
import sys, clew, clew.figures.curves
assert "matplotlib" not in sys.modules
from clew import RoundMetrics
run = [RoundMetrics(i, 10, 100, 10.0 - i, 1.0, 0.0, 0.5, 10 * i + 10, 20) for i in range(2)]
import matplotlib
names = [name for name in matplotlib.rcParams if name != "backend"]  # to read that one imports pyplot
before = [matplotlib.rcParams[name] for name in names]
for plot in (clew.plot_learning, clew.plot_regret, clew.plot_steps_to_optimal):
    plot(run, optimum=8).data("png")
assert "matplotlib.pyplot" not in sys.modules
assert [matplotlib.rcParams[name] for name in names] == before
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "clew.rendering.plots")
    import clew.rendering

    monkeypatch.delattr(clew.rendering, "plots")
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    with pytest.raises(ExtraError, match=r'pip install "clew\[plots\]"'):
        clew.plot_learning(metrics([30.0]))


# The command line -----------------------------------------------------------------------------------------------------


def test_clew_plot_writes_what_is_asked_for(clew, folders, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("clew.figures.curves.save_plot", lambda plot, path: (drawn.append(plot), save_plot(plot, path)))
    runs = [folders / name for name in ("q0", "q1", "s0")]
    out = tmp_path / "plot.svg"
    assert clew("plot", *runs, "-o", out) == (0, f"{out}\n", "")
    assert out.read_text().startswith("<?xml")
    assert clew("plot", *runs, "-o", out, "--figure", "mean_return")[0] == 0
    assert clew("plot", runs[0], "--out", out, "--regret", "--optimum", 7)[0] == 0
    assert clew("plot", *runs, "-o", out, "--steps-to-optimal", "--tolerance", 0.5)[0] == 0
    learning, gains, lost, times = drawn
    assert the_optimum(learning) == [8]
    assert [text.get_text() for text in learning.axes[0].get_legend().get_texts()] == [
        "q-learning, alpha 0.1",
        "sarsa, alpha 0.5",
    ]
    assert learning.get_suptitle() == "book"
    assert gains.axes[0].get_ylabel() == "mean return per episode"
    first = read_metrics(runs[0])[1]
    assert the_line(lost)[1][-1] == sum(row.num_steps for row in first) - 7 * 300
    assert lost.get_suptitle() == "book: q-learning"
    assert "within 50% of the optimum" in times.get_supxlabel()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("q0 -o plot.gif", "a plot is saved as .png, .svg or .pdf"),
        ("q0", "Missing option '--out'"),
        ("-o plot.png", "Missing argument 'RUN'"),
        ("none -o plot.png", "there is no such run folder"),
        ("q0 -o none/plot.png", "can't be written: No such file or directory"),
        (
            "q0 -o plot.png --figure reward",
            "--figure must be one of mean_steps, mean_return, terminated_rate, not 'reward'",
        ),
        ("q0 -o plot.png --regret --steps-to-optimal", "--regret can't be combined with another kind of plot"),
        ("q0 -o plot.png --tolerance 0.5", "--tolerance has no effect here"),
        ("q0 -o plot.png --steps-to-optimal --tolerance -1", "--tolerance must be a finite number above 0"),
        ("q0 -o plot.png --optimum nan", "--optimum must be a finite number"),
        (
            "q0 -o plot.png --regret --figure terminated_rate",
            "--optimum must be given: that of terminated_rate is unknown",
        ),
        ("q0 q0 -o plot.png", "repeats q0: the same settings and the same seed"),
    ],
)
def test_clew_plot_refuses_what_cant_be_in_one_line(clew, folders, monkeypatch, words, message):
    monkeypatch.chdir(folders)
    code, out, err = clew("plot", *words.split())
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert not list(folders.glob("*plot*"))
