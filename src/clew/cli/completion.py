"""The command completion: a script by which a shell completes the commands and options of `clew`.

The script has all words in it, so pressing Tab starts no Python.
"""

from typing import Annotated

import typer

from clew.settings import check_choice

BASH = """\
_clew() {{
    local words="{commands} --help --version"
    [ "$COMP_CWORD" -gt 1 ] && case "${{COMP_WORDS[1]}}" in
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _clew clew
"""
ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"  # zsh reads the script for bash


def completion(shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish")]) -> None:
    """Print a script that completes commands and options in a shell.

    bash: clew completion bash > ~/.clew-completion, and in ~/.bashrc: source ~/.clew-completion

    zsh: clew completion zsh > ~/.clew-completion, and in ~/.zshrc: source ~/.clew-completion

    fish: clew completion fish > ~/.config/fish/completions/clew.fish
    """
    check_choice("shell", shell, ["bash", "zsh", "fish"])
    print(as_fish() if shell == "fish" else (ZSH if shell == "zsh" else "") + as_bash(), end="")


def as_bash() -> str:
    """Return the script for bash: the words of each command."""
    options = {name: " ".join(flag for flags, _ in rows for flag in flags) for name, rows in options_by_command()}
    cases = "\n".join(f'        {name}) words="{flags}" ;;' for name, flags in options.items())
    return BASH.format(commands=" ".join(options), cases=cases)


def as_fish() -> str:
    """Return the script for fish, which shows the meaning of each command and option too."""
    from clew.cli.main import COMMANDS

    lines = [
        f"complete -c clew -n __fish_use_subcommand -a {name} -d {_quoted(summary)}"
        for name, (_, summary) in COMMANDS.items()
    ]
    for name, rows in options_by_command():
        for flags, meaning in rows:
            words = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in flags)
            lines.append(f"complete -c clew -n '__fish_seen_subcommand_from {name}' {words} -d {_quoted(meaning)}")
    return "\n".join(lines) + "\n"


def options_by_command() -> list[tuple[str, list[tuple[list[str], str]]]]:
    """Return each command with its options: (name, rows of (flags, meaning))."""
    from clew.cli.main import COMMANDS, app

    group = typer.main.get_command(app)
    found = []
    for name in COMMANDS:
        command = group.get_command(None, name)  # type: ignore[attr-defined]
        rows = [
            ([*each.opts, *each.secondary_opts], getattr(each, "help", None) or "")
            for each in command.params
            if each.param_type_name == "option"
        ]
        found.append((name, [*rows, (["-h", "--help"], "Show this message and exit.")]))
    return found


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
