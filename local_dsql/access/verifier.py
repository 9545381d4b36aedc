"""Verification of login tokens."""

from __future__ import annotations

import datetime as dt
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime.contract import ADMIN_ROLE
from local_dsql.access.errors import AccessDenied
from local_dsql.access.permissions import allowed
from local_dsql.access.short_password import PREFIX, read_short_password
from local_dsql.access.signature import SERVICE, TIMESTAMP_FORMAT, sign
from local_dsql.access.token import Token, read_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dsql.access.cluster_name import ClusterName
    from local_dsql.access.identities import Identity, IdentityStore
    from local_dsql.access.short_password import ShortPassword

MAX_SKEW = dt.timedelta(minutes=5)
"""Maximum lead of the signer's clock, as AWS services commonly accept."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated principal: the ARN of an IAM role or user, and the action, `DbConnect` or `DbConnectAdmin`."""

    arn: str
    action: str


class TokenAuthenticator:
    """Verifies tokens against the local identities; the database maps principals to roles."""

    def __init__(
        self,
        cluster: ClusterName,
        identities: IdentityStore,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._cluster = cluster
        self._identities = identities
        self._clock = clock

    def authenticate(self, *, user: str, token: str, region: str, host: str | None) -> Principal:
        """Return the principal that `token` authenticates for the database role `user`.

        Args:
            user: database role in the startup message.
            token: password sent by the client.
            region: Region of the endpoint.
            host: server name of the TLS handshake (SNI), None if the client sent none.

        Raises:
            AccessDenied: the token is refused; the hint says why.
        """
        if host is not None and not self._cluster.has_endpoint(host, region):
            raise AccessDenied(f"{host} is not an endpoint of this cluster in {region}.")
        if token.startswith(PREFIX):
            return self._by_short_password(read_short_password(token), user, region)
        claim = read_token(token)
        identity = self._identify(claim)
        self._check_time(claim)
        self._check_signature(claim, identity)
        self._check_target(claim, region)
        self._check_action(claim, user)
        self._check_permission(identity, user, region)
        return Principal(identity.arn, claim.action)

    def _by_short_password(self, given: ShortPassword, user: str, region: str) -> Principal:
        cluster = self._cluster.identifier
        for identity in self._identities.all():
            if given.matches(identity.credentials, cluster=cluster, region=region, role=user):
                if given.expired(self._clock().timestamp()):
                    raise AccessDenied("Signature expired: make a new short password.")
                self._check_permission(identity, user, region)
                return Principal(identity.arn, _action(user))
        raise AccessDenied("The security token included in the request is invalid.")

    def _identify(self, claim: Token) -> Identity:
        identity = self._identities.find(claim.access_key_id)
        expected = identity.credentials.session_token if identity else None
        if identity is None or not _same(claim.session_token or "", expected or ""):
            raise AccessDenied("The security token included in the request is invalid.")
        return identity

    def _check_time(self, claim: Token) -> None:
        now = self._clock()
        current, signed, expires = (
            moment.strftime(TIMESTAMP_FORMAT) for moment in (now, claim.signed_at, claim.expires_at)
        )
        if now >= claim.expires_at:
            raise AccessDenied(f"Signature expired: {expires} is now earlier than {current}.")
        if claim.signed_at - now > MAX_SKEW:
            raise AccessDenied(f"Signature not yet current: {signed} is still later than {current}.")
        if claim.scope.date != signed[:8]:
            raise AccessDenied("Date in Credential scope does not match the date of X-Amz-Date.")

    def _check_signature(self, claim: Token, identity: Identity) -> None:
        expected = sign(identity.credentials.secret_access_key, claim.scope, claim.host, claim.parameters)
        if not _same(claim.signature, expected):
            raise AccessDenied(
                "The request signature we calculated does not match the signature you provided."
            )

    def _check_target(self, claim: Token, region: str) -> None:
        if claim.scope.service != SERVICE:
            raise AccessDenied(f"Credential should be scoped to correct service: '{SERVICE}'.")
        if claim.scope.region != region:
            raise AccessDenied(f"Credential should be scoped to a valid region: '{region}'.")
        if not self._cluster.has_endpoint(claim.host, region):
            raise AccessDenied(f"The token was signed for the host {claim.host}, which is not this endpoint.")

    def _check_action(self, claim: Token, user: str) -> None:
        if claim.action != (needed := _action(user)):
            raise AccessDenied(f"The role {user} needs a token for the action {needed}, not {claim.action}.")

    def _check_permission(self, identity: Identity, user: str, region: str) -> None:
        action, resource = f"dsql:{_action(user)}", self._cluster.arn(region)
        if not allowed(identity.permissions, action, resource):
            raise AccessDenied(
                f"User: {identity.arn} is not authorized to perform: {action} on resource: {resource}"
            )


def _action(user: str) -> str:
    return "DbConnectAdmin" if user == ADMIN_ROLE else "DbConnect"


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
