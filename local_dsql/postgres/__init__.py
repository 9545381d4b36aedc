"""A private PostgreSQL 16: find the programs, initialise, start on a unix socket, stop with the parent process."""

from local_dsql.postgres.account import Account, OtherUser, SameUser, UserNamespace, choose_account
from local_dsql.postgres.binaries import Binaries, find_binaries
from local_dsql.postgres.data_directory import DataDirectory
from local_dsql.postgres.process import PORT, SUPERUSER, Postgres

__all__ = [
    "PORT",
    "SUPERUSER",
    "Account",
    "Binaries",
    "DataDirectory",
    "OtherUser",
    "Postgres",
    "SameUser",
    "UserNamespace",
    "choose_account",
    "find_binaries",
]
