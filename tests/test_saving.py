"""What is replaced when a file is saved, and what is not."""

import os
from pathlib import Path

import pytest

import clew
from clew.files import check_target, kind_of, open_file, write_file
from clew.kernels.sampling import new_stream
from clew.mazes import Maze
from clew.runs.configuration import TrainingConfig
from clew.runs.run import train_run

NOTES = b"# Notes\nThese are not a maze.\n"
PNG, PGM = b"\x89PNG\r\n\x1a\n....", b"P5\n1 1\n255\n\xfe"
KINDS = {
    "a PNG picture": PNG,
    "a GIF film": b"GIF89a...",
    "a PGM picture": PGM,
    "an archive": b"PK\x03\x04...",
    "a PDF": b"%PDF-1.7",
    "an SVG picture": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "an HTML page": b"<!doctype html><title>x</title>",
    "JSON": b'{"a": 1}',
    "data": b"\x93NUMPY\x01\x00",
    "a drawing in text": "maze: q-learning\n→ ↓\n· G\n".encode(),
    "a text": NOTES,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    train_run(TrainingConfig(num_episodes=100)).save(folder)
    return folder


@pytest.mark.parametrize("there", KINDS)
def test_f_a_file_is_replaced_by_one_of_its_kind_only(tmp_path, there: str) -> None:
    path = tmp_path / "file"
    for kind, data in KINDS.items():
        assert kind_of(data) == kind
        path.write_bytes(KINDS[there])
        if kind == there:
            more = b"" if kind == "a drawing in text" else b"more"
            write_file(path, data + more)
            assert path.read_bytes() == data + more
        else:
            with pytest.raises(OSError, match=f"there is {there} of that name, not {kind}; give another name"):
                write_file(path, data)
            assert path.read_bytes() == KINDS[there]
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"P2 1 1 255 0", "a PGM picture"),
        (b'<?xml version="1.0"?><svg/>', "an SVG picture"),
        (b"<!DOCTYPE html>", "an HTML page"),
        (b"[1]", "JSON"),
        (b"%%%%\n%P.%\n", "a text"),
        (b"P.%\n", "a text"),
        (b"Pk of a text", "a text"),
        (b"\xff" * 1023 + b"\0", "data"),
        ("→ G\n".encode(), "a drawing in text"),
        ("title\n+---+---+\n| → | G |\n+---+---+\n".encode(), "a drawing in text"),
        (b"title\n01S\n#9G\n0 to 9: value 0 to 1\n", "a drawing in text"),
        ("A → G\n".encode(), "a text"),
        ("A\n→ B\n".encode(), "a text"),
        ("· one\n· two\n".encode(), "a text"),
        (b"S.\n.G\n", "a text"),
        (b"0,1,2\n3,4,5\n0 to 9: steps\n", "a text"),
        (b"one\ntwo\n0 to 9: digits\n", "a text"),
        (b"title\nS..\n..G\noptimal path, 3 steps\n", "a drawing in text"),
        (b"title\nS..\n..G\nworth keeping\n", "a text"),
    ],
)
def test_kinds_are_told_by_how_files_begin(data: bytes, kind: str) -> None:
    assert kind_of(data) == kind


@pytest.mark.parametrize("maze", ["5x5", "wilson:4x4", "random:30x30", "200x3", "3x300", "wilson:90x90"])
def test_f_a_drawing_in_text_replaces_its_like_but_no_other_text(tmp_path, maze: str) -> None:
    config = TrainingConfig(maze=maze, num_episodes=5)
    env, path = config.make_environment(), tmp_path / "drawing.txt"
    policy = clew.train_policy(env, 5)
    for title in (None, f"{maze}: q-learning"):
        for drawn in (policy, clew.Simulation(env).rollouts(policy.q, 2, stream=new_stream(0))):
            drawing = clew.draw(env, drawn, title=title)
            assert kind_of(drawing.text().encode()) == "a drawing in text"
            for text in (NOTES, b"0,1,2\n", env.maze.to_text().encode(), b"A \xe2\x86\x92 B\n", b"\n"):
                path.write_bytes(text)
                with pytest.raises(clew.RunError, match="there is a text of that name, not a drawing in text"):
                    drawing.save(path)
                assert path.read_bytes() == text
            path.write_bytes(b"")
            for each in (drawing, clew.draw(env, policy), drawing):
                each.save(path)
                assert path.read_text() == each.text()


def test_an_empty_file_is_replaced_by_any_kind(tmp_path) -> None:
    for data in KINDS.values():
        (tmp_path / "file").write_bytes(b"")
        write_file(tmp_path / "file", data)
        assert (tmp_path / "file").read_bytes() == data
    Maze.open(2, 2).save(tmp_path / "empty.txt")
    (tmp_path / "empty.txt").write_bytes(b"")
    Maze.open(2, 2).save(tmp_path / "empty.txt")
    assert (tmp_path / "empty.txt").read_text() == "S.\n.G\n"


def strange_targets(folder: Path) -> dict[str, str]:
    """Make names that no file may be saved to, and give what is said of each."""
    (folder / "there").write_bytes(PNG)
    (folder / "link").symlink_to(folder / "there")
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "null").symlink_to("/dev/null")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    link = "there is a symbolic link of that name; give another name"
    return {
        "link": link,
        "dangling": link,
        "null": link,
        "folder": "it is a folder",
        "pipe": "it is not a regular file",
    }


def test_f_links_folders_and_pipes_are_not_replaced(tmp_path) -> None:
    for name, said in strange_targets(tmp_path).items():
        before = os.lstat(tmp_path / name)
        for write in (write_file, check_target):
            with pytest.raises(OSError, match=said):
                write(tmp_path / name, PNG)
        assert os.lstat(tmp_path / name) == before
    assert (tmp_path / "there").read_bytes() == PNG
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(OSError, match="it is not a regular file"):
        write_file(Path("/dev/null"), PNG)


def test_f_folders_pipes_and_devices_are_not_read(tmp_path) -> None:
    strange_targets(tmp_path)
    for name, said in {"folder": "it is a folder", "pipe": "not a regular file", "null": "not a regular file"}.items():
        with pytest.raises(OSError, match=said):
            open_file(tmp_path / name)
    with open_file(tmp_path / "link") as file:  # a link to a file is read
        assert file.read() == PNG
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "dangling")


# The command line -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("generate random:4x4 -o", "notes.txt"),
        ("generate random:4x4 -o", "notes.map"),
        ("generate random:4x4 -o", "notes.lay"),
        ("generate wilson:4x4 -o", "notes.maze"),
        ("generate random:4x4 -o", "notes.png"),
        ("generate random:4x4 -o", "notes.pgm"),
        ("render {run} -o", "notes.svg"),
        ("render {run} -o", "notes.png"),
        ("render {run} -o", "notes.txt"),
        ("render {run} --show visits -o", "notes.txt"),
        ("render {run} --episode -o", "notes.gif"),
        ("plot {run} -o", "notes.png"),
        ("plot {run} -o", "notes.svg"),
        ("plot {run} -o", "notes.pdf"),
    ],
)
def test_f_no_command_replaces_notes_or_what_is_no_file(clew, run, tmp_path, line: str, name: str) -> None:
    words = line.format(run=run).split()
    path = tmp_path / name
    path.write_bytes(NOTES)
    code, out, err = clew(*words, path)
    assert (code, out) == (2, "")
    assert f"{path}: can't be written: there is a text of that name" in err
    assert path.read_bytes() == NOTES
    path.unlink()
    os.mkfifo(path)
    assert clew(*words, path) == (2, "", f"clew: {path}: can't be written: it is not a regular file\n")
    path.unlink()
    path.symlink_to("/dev/null")
    code, out, err = clew(*words, path)
    assert (code, out) == (2, "")
    assert err.endswith(f"{path}: can't be written: there is a symbolic link of that name; give another name\n")
    path.unlink()
    assert clew(*words, path)[0] == clew(*words, path)[0] == 0  # what it wrote itself is replaced
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_f_a_maze_replaces_a_maze_of_any_form_but_no_other_text(clew, tmp_path) -> None:
    path = tmp_path / "maze.txt"
    for text in ("S.G\n", "o---o\n| S |\no---o\n", "%P.%\n", "SFHG\n", "0 1\n", "#S E#\n"):
        path.write_text(text)
        assert clew("generate", "random:3x3", "-o", path)[0] == 0
        assert Maze.load(path).rows == 3
    for text in ("0,1,2\n", "S.x\n", "{}\n", " \n"):
        path.write_text(text)
        assert clew("generate", "random:3x3", "-o", path)[0] == 2
        assert path.read_text() == text


def test_f_a_graph_is_written_to_all_its_files_or_to_none(clew, run, tmp_path) -> None:
    for name, said in {"graph.svg": "an SVG picture", "graph.html": "an HTML page", "trace.json": "JSON"}.items():
        folder = tmp_path / f"at {name}"
        folder.mkdir()
        (folder / name).write_bytes(NOTES)
        said = f"there is a text of that name, not {said}; give another name"
        assert clew("graph", run, "--out", folder) == (2, "", f"clew: {folder / name}: can't be written: {said}\n")
        assert [each.name for each in folder.iterdir()] == [name]
        assert (folder / name).read_bytes() == NOTES
    for _ in range(2):
        assert clew("graph", run, "--out", tmp_path / "new")[0] == 0
    code, out, err = clew("graph", run, "--out", "/dev/null")
    assert (code, out, err) == (2, "", "clew: /dev/null: can't be written: File exists\n")
