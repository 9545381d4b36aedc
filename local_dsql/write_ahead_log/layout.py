"""Numbers and structures of PostgreSQL 16's log files, little-endian as on all machines that the wheel is built for.

Sources, in PostgreSQL 16: `src/include/access/` `xlog_internal.h` (pages), `xlogrecord.h` (records), `rmgrlist.h`
(resource managers), `heapam_xlog.h`, `xact.h`, `multixact.h`, and `src/include/catalog/storage_xlog.h`. They are plain
integers: an enumeration costs a microsecond at every use, as much as the rest of a record.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

U32 = Struct("<I")

# pages
PAGE_SIZE: Final = 8192
PAGE_MAGIC: Final = 0xD113
"""Version of the format; another major version of PostgreSQL has another one."""
PAGE_HEADER = Struct("<HHIQ")
"""Magic, flags, timeline, position of the page; the length of a record's rest follows."""
SHORT_PAGE_HEADER: Final = 24
LONG_PAGE_HEADER: Final = 40
"""Length of the header of the first page of a file."""

# records
ALIGNMENT: Final = 8
RECORD_HEADER = Struct("<IIQBB")
"""Length, transaction, position of the previous record, information, resource manager; a checksum follows."""
RECORD_HEADER_SIZE: Final = 24
INFORMATION_MASK: Final = 0x70
"""Bits of the information that tell one record of a resource manager from another."""
BLOCK_IDS: Final = 33
"""Numbers below this are blocks; the numbers from it on are other parts of a record's header."""
TOPLEVEL_XID: Final = 252
ORIGIN: Final = 253
DATA_LONG: Final = 254
DATA_SHORT: Final = 255
BLOCK_HEADER = Struct("<BBH")
"""Number, fork and flags, length of the data."""
BLOCK_HAS_IMAGE: Final = 0x10
BLOCK_SAME_FILE: Final = 0x80
IMAGE_HEADER = Struct("<HHB")
"""Length, begin of the hole, information."""
IMAGE_HAS_HOLE: Final = 0x01
IMAGE_IS_COMPRESSED: Final = 0x1C
LOCATION = Struct("<III")
"""Tablespace, database, file."""

# resource managers
MANAGERS: Final = 256
XLOG: Final = 0
XACT: Final = 1
SMGR: Final = 2
MULTIXACT: Final = 6
HEAP2: Final = 9
HEAP: Final = 10

# ends of files
XLOG_SWITCH: Final = 0x40
"""The rest of the file is empty."""
XLOG_INFORMATION_MASK: Final = 0xF0
SMGR_TRUNCATE: Final = 0x20
SMGR_TRUNCATION = Struct("<IIIII")
"""First block that is cut off, tablespace, database, file, flags."""
SMGR_TRUNCATES_HEAP: Final = 0x01

# locks that several transactions share
MULTIXACT_CREATE_ID: Final = 0x20
MULTIXACT_CREATION = Struct("<III")
"""Number, place of the members, count of members; the members follow."""
MULTIXACT_MEMBER = Struct("<II")
"""Transaction, status."""

# records of rows, under HEAP and HEAP2
HEAP_INSERT: Final = 0x00
HEAP_DELETE: Final = 0x10
HEAP_UPDATE: Final = 0x20
HEAP_HOT_UPDATE: Final = 0x40
HEAP_LOCK: Final = 0x60
HEAP2_MULTI_INSERT: Final = 0x50
HEAP2_LOCK_UPDATED: Final = 0x60
INITIALISES_PAGE: Final = 0x80
"""Bit of the information: the rows are the first ones of their page."""
INSERTION = Struct("<H")
"""Offset of an inserted row."""
MULTI_INSERTION = Struct("<xxH")
"""Count of rows; their offsets follow unless the page is initialised."""
DELETION = Struct("<IHB")
"""xmax, offset, infobits; that of locks is the same."""
REPLACEMENT = Struct("<IHBBIH")
"""Old xmax, old offset, old infobits, flags, new xmax, new offset."""
XMAX_IS_MULTI: Final = 0x01
XMAX_EXCL_LOCK: Final = 0x04
XMAX_KEYSHR_LOCK: Final = 0x08
KEYS_UPDATED: Final = 0x10

# transactions
XACT_COMMIT: Final = 0x00
XACT_ABORT: Final = 0x20
XACT_COMMIT_PREPARED: Final = 0x30
XACT_ABORT_PREPARED: Final = 0x40
XACT_ASSIGNMENT: Final = 0x50
XACT_HAS_INFO: Final = 0x80
XACT_TIME_SIZE: Final = 8
HAS_DBINFO: Final = 1 << 0
HAS_SUBXACTS: Final = 1 << 1
HAS_RELFILELOCATORS: Final = 1 << 2
HAS_INVALS: Final = 1 << 3
HAS_TWOPHASE: Final = 1 << 4
HAS_DROPPED_STATS: Final = 1 << 8
DBINFO_SIZE: Final = 8
RELFILELOCATOR_SIZE: Final = 12
DROPPED_STATS_SIZE: Final = 12
INVAL_SIZE: Final = 16
