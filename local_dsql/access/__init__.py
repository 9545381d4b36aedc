"""Authentication: local IAM identities, their permissions, and the verification of login tokens.

The names below are imported on first use: a command that asks a running server needs the name of a cluster only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime.shared.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from blocks_runtime.signing import Credentials
    from local_dsql.access.cluster_name import LOCAL_ACCOUNT, ClusterName, new_identifier
    from local_dsql.access.errors import AccessDenied
    from local_dsql.access.identities import Identity, IdentityStore, credential_variables
    from local_dsql.access.permissions import Effect, Permission, allowed
    from local_dsql.access.token import MAX_LIFETIME
    from local_dsql.access.verifier import Principal, TokenAuthenticator

__all__ = [
    "LOCAL_ACCOUNT",
    "MAX_LIFETIME",
    "AccessDenied",
    "ClusterName",
    "Credentials",
    "Effect",
    "Identity",
    "IdentityStore",
    "Permission",
    "Principal",
    "TokenAuthenticator",
    "allowed",
    "credential_variables",
    "new_identifier",
]

_MODULES = {
    "LOCAL_ACCOUNT": "cluster_name",
    "MAX_LIFETIME": "token",
    "AccessDenied": "errors",
    "ClusterName": "cluster_name",
    "Credentials": "identities",
    "Effect": "permissions",
    "Identity": "identities",
    "IdentityStore": "identities",
    "Permission": "permissions",
    "Principal": "verifier",
    "TokenAuthenticator": "verifier",
    "allowed": "permissions",
    "credential_variables": "identities",
    "new_identifier": "cluster_name",
}

_, __getattr__, __dir__ = lazy_exports(__name__, _MODULES)
