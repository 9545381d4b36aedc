"""The front of the local DSQL: a wire server that refuses, limits and conflicts as Aurora DSQL does."""

from local_dsql.faults.injection import Attempt, Fault, Injection
from local_dsql.occ.journal import Conflict
from local_dsql.occ.limits import Limits
from local_dsql.proxy.proxy import Authenticator, Front

__all__ = ["Attempt", "Authenticator", "Conflict", "Fault", "Front", "Injection", "Limits"]
