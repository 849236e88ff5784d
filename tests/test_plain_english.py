"""The words of the project: docstrings, comments, help, messages, JSON keys and the page use the terms of the field.

`python tests/test_plain_english.py FOLDER` lists what it finds in another folder, such as an older checkout's `src`.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Phrases to avoid, and what to write instead.
PHRASES = {
    r"\b(come|came|comes|coming) to\b": "the noun: result, total, statistics; or 'reach', 'become'",
    r"\bwho(m|se)?ever\b": "the caller, the user, the process",
    r"\bso (many|much|long|often)\b": "n, a number of, a given number of",
    r"\bastray\b": "slip",
    r"\b(is|are|was|were|be|been|being|what) taken in\b|\btakes? in what\b": "merged, applied",
    r"\blikewise\b": "say it again, or leave it out",
    r"\btells? if\b": "Return whether ...",
    r"\bcounts 0\b": "has value 0",
    r"\bkept in\b": "saved to, saved in",
    r"\bas (the \w+|it) wants?\b|\bwhat the (algorithm|rule) wants\b|\bunless told\b": "by default",
    r"\bin place of\b": "instead of",
    r"\buncertain\b|\bby chance\b|\bleft to chance\b": "stochastic",
    r"\bmoves? (is|are) certain\b|\bcertain moves?\b|\bis certain\b": "deterministic",
    r"\bvalue gaps?\b|\bgap in value\b": "suboptimality",
    r"\b(states|starts) right\b": "optimal states, optimal starts",
    r"\bput together\b": "merged, combined",
    r"\banew\b": "again, new",
    r"\b(takes?|taking|took) turns\b|\bha(s|ve) (its|their) turn\b|\bwhose turn\b": "interleaved; next in the queue",
    r"\b(nobody|somebody|everybody)\b": "the subject, or the passive",
    r"\bneedn't\b|\bneed not\b": "doesn't have to",
    r"\bsurely\b": "with probability 1, certainly",
    r"\bheed(s|ed)?\b": "use",
    r"\bonly to look at\b": "read-only",
    r"\b(would not|wouldn't) do\b|\bwill do\b": "is not enough, suffices",
    r"\bpays? more\b|\bpaid more\b": "exploration bonus; a larger reward",
    r"(?<!there )\bis no (?!(longer|more|less|such|better|worse|other|path|shortest|need)\b)\w+": "is not a",
    r"\bred thread\b|\bthread through\b|\bthe thread,|^\W*thread( light)?\W*$": "greedy path",
    r"\b(shortest|best|greedy|optimal) ways?\b|\bways? (from|to) (the |a )?(start|goal|end)": "path",
    r"\bhow actions are tried\b|\bways? to try actions\b|\bactions to try\b": "exploration strategy, behaviour policy",
    r"\blearning rules?\b": "algorithm; update rule for the kernel",
    r"\bfor ever\b": "forever, without end",
    r"\bfirst come, first served\b": "in first-in, first-out order",
    r"\bwhat (it|they|was|were|is|are) (\w+ )*(come|came)\b": "the noun",
    r"\bwho (plays|learns|acts|asks|writes|holds|explores|steers)\b": "the actor, the learner, the caller",
    r"\bmade anew|\bbegins? anew|\bbegun anew": "starts again; replacing trace",
    r"\btraces (that )?begin\b": "replacing traces",
    r"\bwhat was seen\b|\bwhat it saw\b": "experience, transitions",
    r"\b(is|are|was|were) not to be had\b|\bcan't be had\b": "is unavailable, unreachable",
    r"\bthe worst that can be\b|\bthe most that can be\b|\bthe least that can be\b": "upper bound, lower bound",
    r"\btold apart\b|\btells? \w+ apart\b": "distinguished",
    r"\bas good as never\b": "practically never",
    r"\bwhat an? \w+ is told\b|\bis told by\b": "receives",
    r"\bcome about\b|\bcame about\b": "arise; how it was learned",
    r"\bpass(es|ed)? on what\b": "propagates",
    r"\bsteps? that are (left|to come)\b": "remaining steps",
    r"\bqtable\b|\bnS\b|\bnA\b": "q, num_states, num_actions",
}

# A first line is an imperative ("Return the ...") or a noun phrase.
FIRST = (
    r"(What|Whatever|Who|Whose|Where|How|Whether|Tell|Tells|The same|That|So|As|Whichever|If|Until|With|Read, not)\b"
)

# Names of identifiers and JSON keys that only their author understood.
NAMES = {
    "Begun",
    "CertainGrid",
    "CertainTable",
    "Columns",
    "Demand",
    "Given",
    "Here",
    "Member",
    "Pupil",
    "Terms",
    "Totals",
    "acts_by",
    "as_asked",
    "begun_or_new",
    "follow_episodes",
    "gamma_of",
    "is_certain",
    "lr",
    "nA",
    "nS",
    "new_totals",
    "optimal_value",
    "outlook",
    "qtable",
    "simplest",
    "starts_right",
    "states_right",
    "steps_of",
    "value_gap",
    "value_gap_bound",
    "worst_value_gap",
}
CHAPTER = "book"  # package that has the chapter's words


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every comment and string of a module of Python."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT) or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
            yield token.start[0], token.string


def docstrings_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, docstring) of a module, and of all its functions and classes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield getattr(node, "lineno", 1), text


def names_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of everything that a module defines or takes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield node.lineno, node.value


def findings(folder: Path) -> list[str]:
    """List everything in a folder of sources that is to be said in other words."""
    found = []
    for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.js")]):
        where, source = path.relative_to(folder), path.read_text()
        texts = texts_of(source) if path.suffix == ".py" else enumerate(source.splitlines(), 1)
        for line, text in texts:
            for phrase, better in PHRASES.items():
                for match in re.finditer(phrase, " ".join(text.split()), re.IGNORECASE):
                    context = " ".join(text.split())[max(0, match.start() - 60) : match.end() + 60]
                    found.append(f"{where}:{line}: {match[0]!r} ({better}) in: {context}")
        if path.suffix == ".py":
            for line, text in docstrings_of(source):
                if re.match(FIRST, text):
                    found.append(f"{where}:{line}: first line of a docstring: {text.splitlines()[0]}")
            if path.parent.name != CHAPTER:
                found += [f"{where}:{line}: the name {name}" for line, name in names_of(source) if name in NAMES]
    return found


def test_words_are_those_of_the_field():
    found = findings(ROOT / "src" / "clew")
    assert not found, "\n".join(found)


def test_riddles_are_found(tmp_path):
    (tmp_path / "a.py").write_text('"""What the episodes came to."""\n\n\ndef f(is_certain): ...\n')
    (tmp_path / "b.js").write_text("// put together\n")
    found = "\n".join(findings(tmp_path))
    for part in ("a.py:1: 'came to'", "a.py:1: first line", "a.py:4: the name is_certain", "b.js:1: 'put together'"):
        assert part in found


if __name__ == "__main__":
    listed = findings(Path(sys.argv[1]))
    sys.stdout.write("\n".join([*listed, f"{len(listed)} findings", ""]))
