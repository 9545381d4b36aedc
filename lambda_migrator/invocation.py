"""Parts of both custom resources of the migration function: connection, name in the lease, text of errors."""

from __future__ import annotations

import os
import re
import secrets
from typing import TYPE_CHECKING

from blocks_runtime.contract import cluster_variable, variable_prefix
from blocks_runtime.database.target import Target
from blocks_runtime.errors import DatabaseError
from blocks_runtime.shared import credentials

from .admin import NAME_PATIENCE, AdminConnection
from .errors import MigrationFailedError, server_words
from .lease import Queue

if TYPE_CHECKING:
    from blocks_runtime.contract import Variables
    from custom_resource.cloudformation import Request
    from custom_resource.deadline import Deadline


def connection(variables: Variables, deadline: Deadline, request: Request) -> AdminConnection:
    """Return a connection with the function's credentials.

    A host name that does not resolve is retried, except on Delete: the cluster may be deleted.
    """
    patience = 0.0 if request.type == "Delete" else NAME_PATIENCE
    return AdminConnection(
        Target.of(variables), credentials.provider(os.environ), deadline, name_patience=patience
    )


def cluster_of(database: str, endpoint: str) -> str:
    """Return the identifiers of the clusters of a database, as its ledger has them; empty: unknown.

    In the rollback of a move to another cluster, a request may name the former endpoint while this function still has
    the variables of the other cluster.
    """
    if os.environ.get(f"{variable_prefix(database)}_ENDPOINT") != endpoint:
        return ""
    return os.environ.get(cluster_variable(database), "")


def process_of(request: Request) -> str:
    """Return the name of this process in the lease."""
    return f"[{request.invocation}/{secrets.token_hex(4)}]"


def queue_for(holder: str, request: Request, poll: tuple[float, float] | None = None) -> Queue:
    """Return the rules for waiting: every holder but the invocation that invoked this one may be running.

    Lambda may deliver an event twice, and delivers an event again after a failed invocation. A duplicate of this
    invocation is waited for like any other holder.
    """
    caller = re.compile(rf"{re.escape(holder)} \[{request.invocation - 1}/[0-9a-f]+\]")
    return Queue(gone=lambda name: caller.fullmatch(name) is not None, poll=poll)


def explain(error: BaseException) -> tuple[str, bool]:
    """Return the part of an error that may be shown in stack events, and whether the error is an expected one."""
    if isinstance(error, MigrationFailedError):
        return error.shareable, True
    if isinstance(error, DatabaseError):
        return (
            f"the database cannot be used\n{server_words(error)}\ncheck the cluster and deploy again",
            False,
        )
    return f"{type(error).__name__}: {error}", False
