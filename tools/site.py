"""Build the documentation site from the pages of the repository.

    python -m tools.site [FOLDER]

The pages are copied to a folder beside the site, with three changes for Sphinx: the lists of `docs/index.md` become the
navigation, the file name of a code block becomes its caption, and a link to a folder becomes text. Every warning is an
error: a link without a target, a page outside of the navigation.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
INDEX = DOCS / "index.md"
SITE = ROOT / "build" / "site"

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\n]*)\]\((?!https?:)(?P<target>[^)#\s]+)(?P<anchor>#[^)\s]+)?\)")
_IMAGE = re.compile(r"!\[[^\]]*\]\((?!https?:)([^)\s]+)\)")
_CODE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"^```(\w+) (\S+)$", re.MULTILINE)
_LEXERS = {"pgsql": "postgresql"}
_FRONT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=docs/index.html">
<title>Documentation</title>
<a href="docs/index.html">Documentation</a>
</html>
"""


def pages() -> list[Path]:
    """Return the pages of the site."""
    return [
        *sorted(ROOT.glob("*.md")),
        *sorted(DOCS.rglob("*.md")),
        *sorted((ROOT / "examples").rglob("README.md")),
    ]


def navigation() -> dict[str, list[tuple[str, Path]]]:
    """Return the sections of the index with their pages: title and file; a page is in the first section that has it."""
    seen: set[Path] = {INDEX}
    found: dict[str, list[tuple[str, Path]]] = {}
    for section in re.split(r"^## ", INDEX.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        found[title] = []
        for link in _LINK.finditer(section):
            page = (DOCS / link["target"]).resolve()
            if page not in seen and page.suffix == ".md":
                seen.add(page)
                found[title].append((link["text"], page))
    return found


def stage(folder: Path) -> None:
    """Copy all pages to a folder, with the files that they show or link to."""
    own = set(pages())
    for page in own:
        text = page.read_text("utf-8")
        for named in _IMAGE.findall(_CODE.sub("", text)):
            _copy((page.parent / named).resolve(), folder)
        text = "".join(
            part
            if part.startswith("`")
            else _LINK.sub(partial(_linked, page=page, own=own, folder=folder), part)
            for part in _CODE.split(text)
        )
        text = _NAMED.sub(r"```{code-block} \1\n:caption: \2\n", text)
        for name, lexer in _LEXERS.items():
            text = text.replace(f"```{name}\n", f"```{lexer}\n")
        target = folder / page.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text + (_toctrees() if page == INDEX else ""), "utf-8")


def _copy(file: Path, folder: Path) -> None:
    target = folder / file.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)


def _linked(link: re.Match[str], page: Path, own: set[Path], folder: Path) -> str:
    """Return a link as the site has it; a file of the repository is a download, a folder is text."""
    target = (page.parent / link["target"]).resolve()
    if target.is_dir():
        return link["text"]
    if target not in own and target.is_file():
        _copy(target, folder)
    return link[0]


def _toctrees() -> str:
    """Return the navigation in the form of Sphinx."""
    parts = []
    for title, entries in navigation().items():
        lines = [f"{text} </{page.relative_to(ROOT).with_suffix('').as_posix()}>" for text, page in entries]
        parts.append("\n".join(["", "```{toctree}", ":hidden:", f":caption: {title}", "", *lines, "```", ""]))
    return "".join(parts)


def build(site: Path) -> int:
    """Build the site in a folder, and return the exit code of Sphinx."""
    source = site.with_name(f"{site.name}-source")
    for old in (site, source):
        shutil.rmtree(old, ignore_errors=True)
    stage(source)
    shutil.copytree(DOCS / "static", source / "static")
    shutil.copyfile(DOCS / "conf.py", source / "conf.py")
    options = ("--fail-on-warning", "--keep-going", "--quiet", "--builder", "html")
    done = subprocess.run([sys.executable, "-m", "sphinx", *options, str(source), str(site)], check=False)
    (site / "index.html").write_text(_FRONT, "utf-8")
    return done.returncode


if __name__ == "__main__":
    chosen = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else SITE
    code = build(chosen)
    if code == 0:
        print(f"written  {chosen / 'index.html'}")
    sys.exit(code)
