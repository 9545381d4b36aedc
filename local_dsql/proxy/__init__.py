"""The PostgreSQL wire proxy of the local DSQL: it refuses, limits and conflicts as Aurora DSQL does."""

from local_dsql.engine.conflict_log import Conflict
from local_dsql.engine.limits import Limits
from local_dsql.faults.injection import Attempt, Fault, Injection
from local_dsql.proxy.proxy import Proxy
from local_dsql.proxy.server_context import Authenticator

__all__ = ["Attempt", "Authenticator", "Conflict", "Fault", "Injection", "Limits", "Proxy"]
