"""The front of the local DSQL: a wire server that refuses, limits and conflicts as Aurora DSQL does."""

from local_dsql.front.front import Authenticator, Front
from local_dsql.occ.injection import Attempt, Fault, Injection
from local_dsql.occ.journal import Conflict
from local_dsql.occ.limits import Limits

__all__ = ["Attempt", "Authenticator", "Conflict", "Fault", "Front", "Injection", "Limits"]
