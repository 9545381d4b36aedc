"""A long response goes to the client in large pieces, whole and in order, and late by a millisecond at most."""

from __future__ import annotations

import asyncio

from local_dsql.wire.gathered_output import GatheredOutput

PIECE = 8192
"""Bytes that PostgreSQL sends at a time."""


def test_pieces_are_sent_together() -> None:
    async def run() -> list[bytes]:
        sent: list[bytes] = []
        output = GatheredOutput()
        for number in range(20):
            output.add(bytes([number]) * PIECE, sent.append)
        output.flush()
        return sent

    sent = asyncio.run(run())
    assert b"".join(sent) == b"".join(bytes([number]) * PIECE for number in range(20))
    assert len(sent) == 3


def test_a_piece_that_stays_alone_is_sent_soon() -> None:
    async def run() -> list[bytes]:
        sent: list[bytes] = []
        GatheredOutput().add(b"row", sent.append)
        assert not sent
        await asyncio.sleep(0.05)
        return sent

    assert asyncio.run(run()) == [b"row"]


def test_nothing_is_sent_twice() -> None:
    async def run() -> list[bytes]:
        sent: list[bytes] = []
        output = GatheredOutput()
        output.add(b"row", sent.append)
        output.flush()
        output.flush()
        await asyncio.sleep(0.05)
        return sent

    assert asyncio.run(run()) == [b"row"]
