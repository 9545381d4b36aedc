"""Who may connect: local IAM identities, their permissions, and the tokens they sign."""

from local_dsql.access.cluster_name import ClusterName, new_identifier
from local_dsql.access.denied import AccessDenied
from local_dsql.access.identities import Credentials, Identity, IdentityStore
from local_dsql.access.permissions import Effect, Permission, allowed
from local_dsql.access.signer import sign_token
from local_dsql.access.token import MAX_LIFETIME
from local_dsql.access.verifier import Principal, TokenAuthenticator

__all__ = [
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
    "new_identifier",
    "sign_token",
]
