"""Check everything of a release up to the upload, and print the commands that remain: `make release-check`.

Each step prints a line. A step that fails does not stop the others, unless they need its files. The exit code is 1 if
one failed, and the commands are printed only if none did.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tools.release import installs, steps

if TYPE_CHECKING:
    from collections.abc import Callable


class Checklist:
    """Runs steps and counts those that fail."""

    def __init__(self) -> None:
        self.failed = 0

    def step(self, title: str, check: Callable[[], object]) -> bool:
        """Run a step, print its line, and return whether it passed."""
        started = time.monotonic()
        try:
            said = check() or "passed"
        except (steps.CheckError, subprocess.SubprocessError) as error:
            self.failed += 1
            print(f"FAILED  {title:<32} {error}", flush=True)
            return False
        print(f"ok      {title:<32} {said}, {time.monotonic() - started:.0f} s", flush=True)
        return True


def main() -> int:
    """Run the list and return the exit code."""
    checklist = Checklist()
    checklist.step("git tree", steps.tree_is_clean)
    checklist.step("version and change log", steps.version_and_change_log_agree)
    checklist.step("licences", steps.licences_are_listed)
    if checklist.step("reproducible build", steps.builds_are_reproducible):
        checklist.step("release tools", installs.make_tools)
        checklist.step("metadata", steps.metadata_is_valid)
        checklist.step("environment [local]", lambda: installs.make_environment("local"))
        _smokes(checklist)
        checklist.step("SBOM", installs.bill_of_materials)
    if checklist.failed:
        print(f"\nrelease-check: {checklist.failed} steps failed", file=sys.stderr)
        return 1
    print(_remaining())
    return 0


def _smokes(checklist: Checklist) -> None:
    """Run the programs of all extras, beside a database from the wheel."""

    def all_of_them() -> None:
        with installs.database() as served:
            made = {"local"}
            for smoke in installs.SMOKES:
                if smoke.extras not in made:
                    made.add(smoke.extras)
                    checklist.step(
                        f"environment [{installs.shown(smoke.extras)}]",
                        lambda extras=smoke.extras: installs.make_environment(extras),  # type: ignore[misc]
                    )
                checklist.step(smoke.title, lambda smoke=smoke: installs.run(smoke, served))  # type: ignore[misc]

    checklist.step("database for the programs", all_of_them)


def _remaining() -> str:
    """Return what is left to a person, in order."""
    version = steps.version()
    files = " ".join(str(each.relative_to(steps.ROOT)) for each in steps.built())
    commands = [
        f"git tag --sign v{version} --message 'Version {version}'",
        f"git push origin v{version}",
        f"{(steps.TOOLS / 'bin' / 'python').relative_to(steps.ROOT)} -m twine upload {files}",
    ]
    if "not dated" in steps.version_and_change_log_agree():
        commands.insert(
            0, f"# name the section in CHANGELOG.md `## [{version}] - DATE`, commit, and run this check again"
        )
    listed = "\n".join(f"  {each}" for each in commands)
    return f"\nrelease-check: all steps passed, nothing was uploaded. The commands that remain:\n{listed}"


if __name__ == "__main__":
    sys.exit(main())
