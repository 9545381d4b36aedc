"""Plain words: docstrings open with a verb or a noun, and no text uses a word of the list below.

Read are docstrings, comments and string constants of Python, names of tests, and every line of docs, SQL and make
files. A finding names file, line and word. `QUOTED` lists the sentences of others that are cited as they are.
"""

from __future__ import annotations

import ast
import io
import os
import re
import tokenize
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent

HEADLESS = (
    *("what", "who", "whom", "whose", "whoever", "whether", "which", "where", "when", "why", "how"),
    *("tell whether", "say whether"),
)
"""Openings without a head: a reader has to guess what is described."""

AVOIDED = (
    *("nobody", "nobody's", "somebody", "somebody's", "whoever", "whoever's", "whomever"),
    *(
        "in the midst",
        "in its midst",
        "see to it",
        "sees to it",
        "seen to it",
        "to be had",
        "what becomes of",
    ),
    *("is let", "are let", "was let", "were let", "for good", "a slip of the pen", "that is not to be"),
    *(
        "the front",
        "the front's",
        "doorman",
        "tell whether",
        "say whether",
        "sign of life",
        "find fault with",
    ),
    *("leave to call itself", "of no consequence", "knows no more of"),
)
"""Words that no reader searches for: people in place of components, archaic turns, metaphors."""

QUOTED: dict[tuple[str, str], str] = {
    ("local_dsql/postgres/account.py", "nobody"): "name of the unprivileged account on Unix",
}
"""Sentences of others, by file and text: their source. An entry that is not needed any more fails."""

READ = {".py", ".md", ".sql", ".toml", ".yml", ".yaml"}
NOT_OURS = {"node_modules", "cdk.out", "__pycache__", "__snapshots__", "recordings"}
THIS = Path(__file__).relative_to(ROOT)
HEADING = re.compile(r"^#+ +(?P<text>.+)$", re.MULTILINE)


def pattern(phrases: tuple[str, ...]) -> str:
    """Return a regular expression for any of the phrases, broken over lines or not."""
    longest_first = sorted(phrases, key=len, reverse=True)
    return r"(?:" + "|".join(re.escape(each).replace(r"\ ", r"\s+") for each in longest_first) + r")\b"


OPENING = re.compile(r"\s*" + pattern(HEADLESS), re.IGNORECASE)
WORD = re.compile(r"\b" + pattern(AVOIDED), re.IGNORECASE)


@dataclass(frozen=True)
class Passage:
    """A text that people read: the line it starts on, and whether it is a docstring or a heading."""

    line: int
    text: str
    has_opening: bool = False


def passages(path: Path) -> Iterator[Passage]:
    """Yield the texts of a file."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from (*literals(source), *comments(source))
        return
    yield Passage(1, source)
    if path.suffix == ".md":
        prose = outside_code(source)
        for heading in HEADING.finditer(prose):
            yield Passage(prose.count("\n", 0, heading.start()) + 1, heading["text"], has_opening=True)


def outside_code(markdown: str) -> str:
    """Return a page with the lines of its code blocks emptied."""
    return re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), markdown, flags=re.M | re.S)


def literals(source: str) -> Iterator[Passage]:
    """Yield the string constants of a module, docstrings of attributes included, and the names of its tests."""
    documentation: set[ast.expr] = set()
    for node in ast.walk(ast.parse(source)):  # a statement comes before its expressions
        if isinstance(node, ast.Expr):
            documentation.add(node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Passage(node.lineno, node.value, has_opening=node in documentation)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
            yield Passage(node.lineno, node.name.replace("_", " "))


COMMENT_OR_STRING = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
    | '{3} (?:\\.|[^\\])*? '{3} | "{3} (?:\\.|[^\\])*? "{3}
    | ' (?:\\.|[^\\\n'])* ' | " (?:\\.|[^\\\n"])* "
    """,
    re.DOTALL | re.VERBOSE,
)
"""A number sign in a string begins no comment. `tokenize` takes fourteen times as long over the whole tree."""


def comment_lines(source: str) -> Iterator[tuple[int, str]]:
    """Yield the comments of a module with their lines."""
    line, end = 1, 0
    for match in COMMENT_OR_STRING.finditer(source):
        if match["comment"]:
            line, end = line + source.count("\n", end, match.start()), match.start()
            yield line, match["comment"]


def comments(source: str) -> Iterator[Passage]:
    """Yield the comments of a module, those on successive lines as one."""
    found = [(line, text.lstrip("#: ")) for line, text in comment_lines(source)]
    block: list[str] = []
    for index, (line, text) in enumerate(found):
        block.append(text)
        if index + 1 == len(found) or found[index + 1][0] != line + 1:
            yield Passage(line - len(block) + 1, "\n".join(block))
            block = []


def findings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what is wrong in a file: the word with its place, and the sentence part around it."""
    shown = path.relative_to(ROOT)
    for passage in passages(path):
        matches = list(WORD.finditer(passage.text))
        if passage.has_opening and (opening := OPENING.match(passage.text)):
            matches.append(opening)
        for match in matches:
            line = passage.line + passage.text.count("\n", 0, match.end())
            around = " ".join(passage.text[max(match.start() - 30, 0) : match.end() + 40].split())
            yield f"{shown}:{line}: {' '.join(match[0].split())!r} in {around!r}", around


@cache
def areas() -> dict[str, list[Path]]:
    """Return the files to read by package, or by folder of a package that has folders."""
    found: dict[str, list[Path]] = defaultdict(list)
    for folder, names, files in os.walk(ROOT):
        names[:] = sorted(name for name in names if name not in NOT_OURS and not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            shown = path.relative_to(ROOT)
            if (path.suffix in READ or name == "Makefile") and shown != THIS:
                found["/".join(shown.parts[:-1][:2]) or "."].append(path)
    return found


@pytest.mark.parametrize("area", sorted(areas()))
def test_texts_are_in_plain_words(area: str) -> None:
    quoted = [text for path, text in QUOTED if path.startswith(area)]
    found = [
        finding
        for path in areas()[area]
        for finding, around in findings(path)
        if not any(text in around or around in text for text in quoted)
    ]
    assert not found, "\n".join(["", *found])


def test_every_quotation_is_still_needed() -> None:
    unused = [
        (path, text)
        for path, text in QUOTED
        if not any(text in around or around in text for _, around in findings(ROOT / path))
    ]
    assert not unused


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('"""Who decides."""', ["Who"]),
        ('"""Return whether it\n\nis so, to be\nhad."""', ["to be had"]),
        ('x = 1\n"""Whether it is so."""', ["Whether"]),
        ('raise ValueError("no" "body is there")', ["nobody"]),
        ("# in the\n# midst of it", ["in the midst"]),
        ("def test_nobody_waits() -> None: ...", ["nobody"]),
        ('f"{1} is let go"', ["is let"]),
        ('"""Howling, whichever, frontend, is letters."""', []),
        ('x = "What is this?"', []),
    ],
)
def test_words_are_found(
    source: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "some.py").write_text(source)
    found = [finding.split("'")[1] for finding, _ in findings(tmp_path / "some.py")]
    assert found == words


@pytest.mark.parametrize(
    "source",
    [
        "x = 1  # one\ny = '#'  # two\n# three\n",
        's = """\n# text\n"""  # one\n',
        "s = '''a # \\''' # text'''\n# one\n",
        "s = 'it\\'s # text'; t = \"it's # text\"  # it's one\n",
        "s = rb'\\\\'  # one\nt = f'{s!r:#>9}'  # two\n",
        's = \'\'  # one\nt = ""; u = """"""  # two\n',
        "s = 'a \\\n# text'  # one\n",
        "s = ('a'  # one \"\"\"\n     'b')  # two\n",
        "# '''\nx = 1\n# '''\n",
    ],
)
def test_comments_are_those_of_the_tokenizer(source: str) -> None:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    expected = [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]
    assert list(comment_lines(source)) == expected


def test_headings_outside_code_need_a_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("# Grants\n\n```sh\n# what it prints\n```\n\n## What it costs\n")
    assert [finding.split(":")[1] for finding, _ in findings(page)] == ["7"]
