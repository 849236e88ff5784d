"""Execution graph of a run folder: as SVG, as an HTML page, and in Chrome's trace format."""

from pathlib import Path

from clew.errors import RunError
from clew.files import check_target, write_file
from clew.runs.configuration import TrainingConfig
from clew.runs.storage import load_run, read_config
from clew.tracing.axes import format_count
from clew.tracing.page import timeline_html
from clew.tracing.timeline import timeline_svg
from clew.tracing.trace import to_chrome

MAX_TITLE_LENGTH = 100


def write_graph(folder: str | Path, out: str | Path | None = None, rounds: tuple[int, int] | None = None) -> list[Path]:
    """Write the execution graph of a run as `graph.svg`, `graph.html` and `trace.json` (Chrome's trace format).

    Args:
        folder: run folder.
        out: folder to write to; None is the run folder.
        rounds: rounds to draw in detail, from the first to before the second; None chooses some.

    Returns:
        Paths of the three files.

    Raises:
        RunError: if the run folder is missing or damaged, it has no trace, or the files can't be written.
        SettingError: if the run has none of these rounds.
    """
    saved = load_run(folder)
    if saved.trace is None:
        raise RunError(
            f"{folder}: this run has no trace.csv. Train it again to get one: "
            f"`clew train {saved.config.get('maze', 'MAZE')} ... --out NEW`"
        )
    title = run_title(read_config(folder, saved.config))
    contents = {
        "graph.svg": timeline_svg(saved.trace, title=title, rounds=rounds),
        "graph.html": timeline_html(saved.trace, title=title, rounds=rounds),
        "trace.json": to_chrome(saved.trace),
    }
    out = Path(folder if out is None else out)
    path = out
    try:
        out.mkdir(parents=True, exist_ok=True)
        for write in (check_target, write_file):  # all files are checked before the first is written
            for name, content in contents.items():
                path = out / name
                write(path, content.encode())
    except OSError as error:
        raise RunError(f"{path}: can't be written: {error.strerror}") from None
    return [out / name for name in contents]


def run_title(config: TrainingConfig) -> str:
    """Return a line with maze, algorithm, and numbers of episodes, simulations and actors; at most 100 characters."""
    title = (
        f"{Path(config.maze).name}: {config.algorithm}, {format_count(config.num_episodes, 'episode')} in "
        f"{format_count(config.num_simulations, 'simulation')}"
    )
    if config.num_simulations > 1 and config.num_actors:
        title += f", {format_count(config.num_actors, 'actor')}"
    return title if len(title) <= MAX_TITLE_LENGTH else f"{title[: MAX_TITLE_LENGTH - 3]}..."
