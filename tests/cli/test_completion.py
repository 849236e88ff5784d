"""Shells complete commands and options by the script of `clew completion`."""

import shutil
import subprocess

import pytest

from clew.cli.main import COMMANDS


def complete(shell, script, words):
    """The words that a shell offers for a command line; an empty last word is one that is not begun."""
    if shell == "fish":
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"source {script}; complete -C '{' '.join(words)}'"], capture_output=True
        )
        return [line.split("\t")[0] for line in done.stdout.decode().splitlines()]
    ask = f"source {script}; COMP_WORDS=({' '.join(words[:-1])} '{words[-1]}'); COMP_CWORD={len(words) - 1}; _clew; "
    done = subprocess.run([shell, "-c", ask + 'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True)
    return done.stdout.decode().split()


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_shell_completes_commands_and_options(clew, tmp_path, shell):
    code, out, _ = clew("completion", shell)
    assert code == 0
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell} here")
    script = tmp_path / "script"
    script.write_text(out)
    assert set(COMMANDS) <= set(complete(shell, script, ["clew", ""]))
    assert complete(shell, script, ["clew", "tra"]) == ["train"]
    assert "--episodes" in complete(shell, script, ["clew", "train", "--ep"])
    assert complete(shell, script, ["clew", "solve", "--epis"]) == []
    assert "--self" in complete(shell, script, ["clew", "doctor", "--s"])


def test_zsh_reads_the_script_for_bash(clew):
    assert clew("completion", "zsh")[1].endswith(clew("completion", "bash")[1])


def test_another_shell_is_an_error(clew):
    code, _, err = clew("completion", "tcsh")
    assert code == 2
    assert "bash, zsh" in err
