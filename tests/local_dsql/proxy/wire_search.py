"""Looking for sequences whose answers differ, and cutting down those that are found."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from local_dsql.wire.frames import BODY
from local_dsql.wire.message_types import FrontendMessage
from tests.local_dsql.proxy import wire_blocks as blocks
from tests.local_dsql.proxy.wire_composer import Composer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.proxy.differential_wire import DifferentialRunner, Script, Step


@dataclass
class Counts:
    """Amount of what has been compared."""

    sequences: int = 0
    refused: int = 0
    steps: int = 0
    frames: int = 0
    failures: list[str] = field(default_factory=list)


def compare(
    runner: DifferentialRunner, seed: int, *, sequences: int, counts: Counts, most_failures: int = 1
) -> None:
    """Play so many sequences of one seed; a mismatch counts if it is still there when there is time for answers."""
    composer = Composer(seed)
    for number in range(sequences):
        sequence = composer.sequence()
        outcome = runner.play(sequence)
        counts.sequences += 1
        counts.refused += outcome.refused
        counts.steps += outcome.steps
        counts.frames += outcome.frames
        story = outcome.mismatch and runner.play(sequence, patient=True).mismatch
        if story:
            least, story = shrink(runner, sequence, story)
            counts.failures.append(f"seed {seed}, sequence {number}: {least}\n {story}")
            if len(counts.failures) >= most_failures:
                return


def shrink(
    runner: DifferentialRunner, sequence: Script, story: str, seconds: float = 30
) -> tuple[Script, str]:
    """Return the shortest sequence found, by leaving out steps and messages, that differs still; and how."""
    until = time.monotonic() + seconds
    shorter = True
    while shorter and time.monotonic() < until:
        shorter = False
        for candidate in _shorter(sequence):
            found = runner.play(candidate, patient=True).mismatch
            if found:
                sequence, story, shorter = candidate, found, True
                break
            if time.monotonic() > until:
                break
    return sequence, story


def _shorter(script: Script) -> Iterator[Script]:
    steps = script.steps
    if script.bytewise:
        yield replace(script, bytewise=False)
    if script.background != "quiet":
        yield replace(script, background="quiet")
    for i, step in enumerate(steps):
        yield replace(script, steps=steps[:i] + steps[i + 1 :])
        for less in _fewer(step):
            yield replace(script, steps=[*steps[:i], less, *steps[i + 1 :]])


def _ends_its_rows(step: Step) -> bool:
    """Return whether rows of a COPY in a step, if any, have an end; without one both sides would wait."""
    kinds = [message.data[:1] for message in step]
    while kinds and kinds[-1] in (FrontendMessage.SYNC, FrontendMessage.FLUSH):
        kinds.pop()
    ended = kinds[-1:] in ([], [FrontendMessage.COPY_DONE], [FrontendMessage.COPY_FAIL])
    return ended or FrontendMessage.COPY_DATA not in kinds


def _fewer(step: Step) -> Iterator[Step]:
    if len(step) > 1:
        for j in range(len(step)):
            less = step[:j] + step[j + 1 :]
            if _ends_its_rows(less):
                yield less
        return
    for message in step:
        parts = message.data[BODY:-1].decode(errors="replace").split(";")
        if message.data[:1] == FrontendMessage.QUERY and len(parts) > 1:
            for j in range(len(parts)):
                yield [blocks.query(";".join(parts[:j] + parts[j + 1 :]))]
