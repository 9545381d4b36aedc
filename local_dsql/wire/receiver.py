"""Receiving without an allocation for every packet."""

from __future__ import annotations

import asyncio

_SIZE = 256 * 1024
_buffer = memoryview(bytearray(_SIZE))
"""One for all connections of the process: the event loop fills it and hands it on before it does anything else."""


class Receiver(asyncio.BufferedProtocol):
    """A protocol whose `received` gets the bytes of each packet.

    asyncio's other kind of protocol makes room for 256 KiB at each packet, which for the small packets of a database
    costs more than all the rest.
    """

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next packet goes."""
        return _buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Hand the packet on."""
        self.received(bytes(_buffer[:nbytes]))

    def received(self, data: bytes) -> None:
        """Take the bytes of a packet."""
        raise NotImplementedError
