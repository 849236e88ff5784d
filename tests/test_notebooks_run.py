"""The notebooks of this repository are run as they stand, by a real kernel, and show what they should."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from clew.rendering.text import show

PROJECT = Path(__file__).parent.parent
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
LESSONS = sorted((PROJECT / "docs" / "lessons").glob("*.ipynb"))
SHOWS = re.compile(r"^clew\.(draw|plot_\w+)\(", re.MULTILINE)  # as the last thing of a cell
PICTURES = {"image/svg+xml", "image/png"}


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code_of(notebook))


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_without_a_complaint_and_shows_its_pictures(path):
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=280, resources=place, extra_arguments=["--log-level=ERROR"]).execute()
    pictures = 0
    for cell in code_of(notebook):
        complaints = [
            output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stderr"
        ]
        assert complaints == [], cell.source
        shown = [set(output.data) & PICTURES for output in cell.outputs if "data" in output]
        if SHOWS.search(cell.source):
            assert any(shown), cell.source
            pictures += 1
    assert pictures > 0


def printed(cell):
    """Return what a cell prints and returns, as text, and the kinds of pictures that it shows."""
    text = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    shown = [output.data for output in cell.outputs if "data" in output]
    pictures = [set(data) & PICTURES for data in shown]
    return text, [data.get("text/plain") for data in shown if not set(data) & PICTURES], pictures


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_gives_the_outputs_that_are_saved_in_it(path, tmp_path):
    saved = nbformat.read(path, as_version=4)
    nbformat.validate(saved)
    fresh = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(tmp_path)}}  # nothing of the checkout is there
    NotebookClient(fresh, timeout=280, resources=place, extra_arguments=["--log-level=ERROR"]).execute()
    for before, after in zip(code_of(saved), code_of(fresh), strict=True):
        assert all(output.get("name") != "stderr" for output in before.outputs + after.outputs), before.source
        if "varies" not in before.metadata.get("tags", []):
            assert printed(after) == printed(before), before.source
    assert any(PICTURES & set(output.get("data", {})) for cell in code_of(saved) for output in cell.outputs)


@pytest.mark.long
def test_a_notebook_shows_progress_as_a_widget_and_says_where_it_ended():
    notebook = nbformat.v4.new_notebook()
    code = """
import clew
env = clew.Environment(clew.Maze.open(3, 3))
policy = clew.train_policy(env, 40, callback=clew.show_progress("seed 0"))
"""
    notebook.cells.append(nbformat.v4.new_code_cell(code))
    NotebookClient(notebook, timeout=280, extra_arguments=["--log-level=ERROR"]).execute()
    (bar,) = notebook.cells[0].outputs
    assert "application/vnd.jupyter.widget-view+json" in bar.data
    assert bar.data["text/plain"].startswith("seed 0:")
    widgets = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"].values()
    assert [each["state"]["value"] for each in widgets if each["model_name"] == "FloatProgressModel"] == [40.0]


@pytest.mark.long
def test_a_notebook_shows_a_frame_in_place_of_the_last():
    code = "from clew.rendering.text import show\nshow('first\\n')\nshow('second\\n')"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=280, extra_arguments=["--log-level=ERROR"]).execute()
    assert [output.text for output in notebook.cells[0].outputs] == ["second\n"]


def test_a_frame_is_plain_text_where_a_kernel_is_loaded_and_none_runs(capsys):
    import ipykernel  # noqa: F401

    show("first\n")
    show("second\n")
    assert capsys.readouterr() == ("first\nsecond\n", "")
