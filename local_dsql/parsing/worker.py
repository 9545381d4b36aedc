"""The process that parses long texts for the proxy; it ends when its standard input does.

Requests and answers are pickled, each behind its length: (text, name of the dialect), and a `Script`.
"""

from __future__ import annotations

import gc
import pickle
import sys
from typing import TYPE_CHECKING

from dsql_dialect import parse, profile
from local_dsql.parsing.packets import LENGTH, packet

if TYPE_CHECKING:
    from typing import BinaryIO


def main(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    gc.disable()  # a tree is many objects and no circles
    while len(head := requests.read(LENGTH.size)) == LENGTH.size:
        text, dialect = pickle.loads(requests.read(*LENGTH.unpack(head)))  # noqa: S301 - of the server itself
        answers.write(packet(parse(text, profile(dialect))))
        answers.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
