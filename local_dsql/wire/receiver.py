"""Protocol base class: receive the bytes of a connection packet by packet."""

from __future__ import annotations

import asyncio


class Receiver(asyncio.Protocol):
    """A protocol whose `received` gets the bytes of each packet.

    uvloop reads every packet of the process into one buffer and makes a bytes object of just its size. asyncio's own
    loop allocates 256 KiB each time, which costs a look-up more than all the rest.
    """

    def data_received(self, data: bytes) -> None:
        """Pass the packet to `received`."""
        self.received(data)

    def received(self, data: bytes) -> None:
        """Process the bytes of a packet."""
        raise NotImplementedError
