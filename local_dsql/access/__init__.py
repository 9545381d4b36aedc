"""Authentication: local IAM identities, their permissions, and the verification of login tokens."""

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
