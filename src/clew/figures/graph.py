"""The execution graph of a run in its folder: as a picture, as a page, and for viewers of Chrome's traces."""

from pathlib import Path

from clew.errors import RunError, SettingError
from clew.files import write_file
from clew.runs.configuration import TrainingConfig
from clew.runs.storage import load_run
from clew.tracing.page import timeline_html
from clew.tracing.timeline import timeline_svg
from clew.tracing.trace import to_chrome

__all__ = ["write_graph"]

MAX_LETTERS = 100  # of a title


def write_graph(folder: str | Path, out: str | Path | None = None, rounds: tuple[int, int] | None = None) -> list[Path]:
    """Write `graph.svg`, `graph.html` and `trace.json`.

    Args:
        folder: of the run.
        out: folder to write into; None is that of the run.
        rounds: which to show in detail, from the first to before the second; None chooses.

    Returns:
        The files.

    Raises:
        RunError: if there is no run, it has no trace, or the files can't be written.
        SettingError: if the run has none of these rounds.
    """
    saved = load_run(folder)
    if saved.trace is None:
        raise RunError(
            f"{folder}: this run has no trace.csv, for it was made before runs kept one; "
            f"train it once more: `clew train {saved.config.get('maze', 'MAZE')} ... --out NEW` keeps one"
        )
    try:
        title = say_what(TrainingConfig.from_dict(saved.config))
    except SettingError as error:
        raise RunError(f"{Path(folder) / 'config.json'}: damaged: {error}") from None
    contents = {
        "graph.svg": timeline_svg(saved.trace, title=title, rounds=rounds),
        "graph.html": timeline_html(saved.trace, title=title, rounds=rounds),
        "trace.json": to_chrome(saved.trace),
    }
    out = Path(folder if out is None else out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write_file(out / name, content.encode())
    except OSError as error:
        raise RunError(f"{out}: can't be written: {error.strerror}") from None
    return [out / name for name in contents]


def say_what(config: TrainingConfig) -> str:
    """What a run was, on a line."""
    n = config.num_simulations
    words = [
        f"{Path(config.maze).name}: {config.algorithm}",
        f"{config.num_episodes:,} episodes in {n} simulation{'s' if n > 1 else ''}",
    ]
    if n > 1 and config.num_actors:
        words.append(f"{config.num_actors} actor{'s' if config.num_actors > 1 else ''}")
    title = ", ".join(words)
    return title if len(title) <= MAX_LETTERS else f"{title[: MAX_LETTERS - 3]}..."
