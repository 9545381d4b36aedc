"""Headers within a record: the blocks that it changes, and the data of its resource manager."""

from __future__ import annotations

from typing import NamedTuple

from local_dsql.write_ahead_log.layout import (
    BLOCK_HAS_IMAGE,
    BLOCK_HEADER,
    BLOCK_IDS,
    BLOCK_SAME_FILE,
    DATA_LONG,
    DATA_SHORT,
    IMAGE_HAS_HOLE,
    IMAGE_HEADER,
    IMAGE_IS_COMPRESSED,
    LOCATION,
    ORIGIN,
    RECORD_HEADER_SIZE,
    TOPLEVEL_XID,
    U32,
)


class Headers(NamedTuple):
    """The parts of a record.

    Attributes:
        database: OID of the database of the first block's file; 0 for shared catalogs, -1 without blocks.
        file: number of the first block's file.
        blocks: block numbers by their number in the record.
        toplevel: 32-bit number of the top-level transaction, in the first record of a subtransaction under
            `wal_level=logical`; 0 otherwise.
        main: position of the resource manager's data, in the bytes given.
    """

    database: int
    file: int
    blocks: dict[int, int]
    toplevel: int
    main: int


def split(data: bytes, start: int, end: int) -> Headers:
    """Read the headers of the record between two offsets in `data`.

    Raises:
        ValueError: the bytes are no record of PostgreSQL 16.
    """
    position, rest, toplevel = start + RECORD_HEADER_SIZE, 0, 0
    database, file, main, blocks = -1, 0, 0, dict[int, int]()
    while position + rest < end:
        kind = data[position]
        if kind < BLOCK_IDS:
            _, flags, length = BLOCK_HEADER.unpack_from(data, position)
            position += BLOCK_HEADER.size
            if flags & BLOCK_HAS_IMAGE:
                position, image = _image(data, position)
                rest += image
            if not flags & BLOCK_SAME_FILE:
                location = LOCATION.unpack_from(data, position)
                position += LOCATION.size
                if not blocks:
                    _, database, file = location
            (blocks[kind],) = U32.unpack_from(data, position)
            position += U32.size
            rest += length
        elif kind == DATA_SHORT:
            main = data[position + 1]
            position, rest = position + 2, rest + main
        elif kind == DATA_LONG:
            (main,) = U32.unpack_from(data, position + 1)
            position, rest = position + 5, rest + main
        elif kind == TOPLEVEL_XID:
            (toplevel,) = U32.unpack_from(data, position + 1)
            position += 5
        elif kind == ORIGIN:
            position += 3
        else:
            raise ValueError(f"a record of the write-ahead log has a header of an unknown kind {kind}")
    return Headers(database, file, blocks, toplevel, end - main)


def _image(data: bytes, position: int) -> tuple[int, int]:
    """Return the position after the header of a page's image, and the image's length."""
    length, _, information = IMAGE_HEADER.unpack_from(data, position)
    position += IMAGE_HEADER.size
    if information & IMAGE_HAS_HOLE and information & IMAGE_IS_COMPRESSED:
        position += 2
    return position, length
