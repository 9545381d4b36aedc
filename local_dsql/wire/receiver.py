"""Receiving the bytes of a connection, one packet after the other."""

from __future__ import annotations

import asyncio


class Receiver(asyncio.Protocol):
    """A protocol whose `received` gets the bytes of each packet.

    uvloop reads every packet of the process into one buffer and makes an object of just its bytes. asyncio's own loop
    makes room for 256 KiB each time, which costs a look-up more than all the rest.
    """

    def data_received(self, data: bytes) -> None:
        """Hand the packet on."""
        self.received(data)

    def received(self, data: bytes) -> None:
        """Take the bytes of a packet."""
        raise NotImplementedError
