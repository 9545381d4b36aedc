"""Checks of a release that need no installation: tree, version, builds, metadata, licences."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from tools.release import licences

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "build" / "release"
ENVIRONMENTS = ROOT / ".venv-release"
TOOLS = ENVIRONMENTS / "tools"


class CheckError(Exception):
    """A step of the release check failed: the fault, the reason, the remedy."""


def git(*arguments: str) -> str:
    """Return the output of git in the project."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def version() -> str:
    """Return the version in pyproject.toml."""
    return str(licences.project()["version"])


def tree_is_clean() -> str:
    """Check that the commit has everything that is built.

    Raises:
        CheckError: files differ from the commit, or are not in it.
    """
    if changed := git("status", "--porcelain").splitlines():
        raise CheckError(
            f"{len(changed)} files differ from the commit, {changed[0].split()[-1]} first; the commit is what is "
            "built and tagged; commit them, remove them, or list them in .gitignore"
        )
    return f"commit {git('rev-parse', '--short', 'HEAD').strip()}"


def change_log_names_the_version(text: str, wanted: str) -> str:
    """Check that the first section of the change log is that of the version; return its heading.

    A section "Unreleased" is that of the version if its first sentence names it.

    Raises:
        CheckError: it is the section of another version.
    """
    found = re.search(r"^## \[(?P<name>[^]]+)\](?P<date> - \d{4}-\d\d-\d\d)?\n+(?P<first>[^\n]*)", text, re.M)
    if found is None:
        raise CheckError("CHANGELOG.md has no section of a version; add `## [VERSION] - DATE`")
    name, dated = found["name"], bool(found["date"])
    if name == wanted and dated:
        return f"{wanted}, section dated"
    if name == "Unreleased" and re.search(rf"(?<![\w.]){re.escape(wanted)}(?![\w.]*\w)", found["first"]):
        return f"{wanted}, section not dated yet"
    raise CheckError(
        f"pyproject.toml has version {wanted}, but the first section of CHANGELOG.md is [{name}]"
        f"{'' if dated else ' without a date'}; name the section `## [{wanted}] - DATE`"
    )


def version_and_change_log_agree() -> str:
    """Check the version of pyproject.toml against the change log."""
    return change_log_names_the_version((ROOT / "CHANGELOG.md").read_text("utf-8"), version())


def builds_are_reproducible() -> str:
    """Build wheel and sdist twice from the commit, and the wheel a third time from the sdist, and compare the bytes.

    The two copies of the commit have other paths, times, umasks, time zones and hash seeds. The files of the first are
    kept in `build/release/`, with their SHA-256.

    Raises:
        CheckError: two builds differ, or one fails.
    """
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    scratch = ENVIRONMENTS / "builds"
    shutil.rmtree(scratch, ignore_errors=True)
    first = _build(scratch / "one", zone="UTC", umask=0o022, seed="1")
    second = _build(scratch / "two" / "deeper", zone="Asia/Kathmandu", umask=0o077, seed="2")
    third = scratch / "three"
    with tarfile.open(first["sdist"]) as sdist:
        sdist.extractall(third, filter="data")
    (source,) = third.iterdir()
    again = _hatch(source, ["wheel"], zone="UTC", umask=0o022, seed="3")
    for kind, one, other in (
        ("wheels of two copies", first["wheel"], second["wheel"]),
        ("sdists of two copies", first["sdist"], second["sdist"]),
        ("wheels of tree and sdist", first["wheel"], again["wheel"]),
    ):
        if one.read_bytes() != other.read_bytes():
            raise CheckError(
                f"the {kind} differ: {difference(one, other)}; find what the build reads beside the files"
            )
    for each in first.values():
        shutil.copyfile(each, OUTPUT / each.name)
    sums = [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in built()]
    (OUTPUT / "SHA256SUMS").write_text("".join(sums))
    shutil.rmtree(scratch)
    return "wheel and sdist built twice, wheel also from the sdist: the same bytes"


def built() -> list[Path]:
    """Return the files to upload, the wheel first."""
    return sorted(OUTPUT.glob("blocks_dsql-*"), key=lambda each: each.suffix != ".whl")


def wheel() -> Path:
    """Return the wheel that was built."""
    return built()[0]


def _build(folder: Path, **surroundings: object) -> dict[str, Path]:
    """Copy the commit into a folder and build both files from it."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-m"], cwd=folder, input=archive, check=True)
    return _hatch(folder, ["sdist", "wheel"], **surroundings)


def _hatch(folder: Path, kinds: list[str], *, zone: object, umask: object, seed: object) -> dict[str, Path]:
    """Run the build backend in a folder; return the files by kind."""
    when = git("log", "-1", "--format=%ct").strip()
    targets = [part for kind in kinds for part in ("-t", kind)]
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", "dist", *targets],
        cwd=folder,
        env=os.environ | {"SOURCE_DATE_EPOCH": when, "TZ": str(zone), "PYTHONHASHSEED": str(seed)},
        umask=int(str(umask)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CheckError(f"the build failed: {done.stderr.strip()[-500:]}")
    endings = {"wheel": "*.whl", "sdist": "*.tar.gz"}
    return {kind: next((folder / "dist").glob(endings[kind])) for kind in kinds}


def difference(one: Path, other: Path) -> str:
    """Return the first member in which two archives differ."""

    def members(path: Path) -> dict[str, object]:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as archive:
                return {
                    each.filename: (each.CRC, each.date_time, each.external_attr)
                    for each in archive.infolist()
                }
        with tarfile.open(path) as archive:
            return {each.name: (each.chksum, each.size, each.mode, each.mtime) for each in archive}

    left, right = members(one), members(other)
    differing = sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
    return f"{differing[0]} first" if differing else "the order or the compression"


def metadata_is_valid() -> str:
    """Check metadata and long description as PyPI does, with twine.

    Raises:
        CheckError: PyPI would refuse a file or show its description as plain text.
    """
    done = subprocess.run(
        [TOOLS / "bin" / "python", "-m", "twine", "--no-color", "check", "--strict", *built()],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CheckError(f"twine check: {(done.stdout + done.stderr).strip()[-500:]}")
    return f"twine check --strict: {done.stdout.count('PASSED')} passed"


def licences_are_listed() -> str:
    """Check that docs/licences.md is up to date, and that every licence is permitted.

    Raises:
        CheckError: the page differs from the metadata, or a licence is not permitted.
    """
    try:
        wanted = licences.tables()
    except licences.UnknownLicenceError as error:
        raise CheckError(str(error)) from None
    if licences.current() != wanted:
        raise CheckError(
            "docs/licences.md differs from the installed packages; run `python -m tools.release.licences --write`, "
            "read the difference and commit it"
        )
    rows = wanted.count("\n| ") - wanted.count("\n| package ")
    return f"{rows} packages, {len(licences.EXCEPTIONS)} of them exceptions"
