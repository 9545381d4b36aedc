"""AWS credentials for login tokens: from the environment, or else from boto3's chain."""

from __future__ import annotations

from _thread import allocate_lock

from ..errors import ConfigurationError
from ..signing import Credentials

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.credentials import Credentials as ChainCredentials

_KEY, _SECRET, _TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
_EXPIRY = "AWS_CREDENTIAL_EXPIRATION"


def provider(environ: Mapping[str, str]) -> Callable[[], Credentials]:
    """Return a function that returns the credentials for the next token.

    It is called for each connection, as temporary credentials expire. Lambda sets the variables; without them boto3
    is imported, searches all other sources (containers, instances, profiles, SSO) and refreshes what it finds.

    Raises (the function returned):
        ConfigurationError: the credentials are missing, incomplete or expired.
    """
    return lambda: from_environment(environ) if environ.get(_KEY) else _chain()


def from_environment(environ: Mapping[str, str]) -> Credentials:
    """Return the credentials in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.

    Raises:
        ConfigurationError: the secret is missing, or AWS_CREDENTIAL_EXPIRATION has passed (`aws configure
            export-credentials` sets it).
    """
    if not environ.get(_SECRET):
        raise ConfigurationError(
            f"no AWS credentials to sign a login token: {_KEY} is set, but {_SECRET} is not; set both, or neither"
        )
    if environ.get(_EXPIRY):
        _refuse_expired(environ[_EXPIRY])
    return Credentials(environ[_KEY], environ[_SECRET], environ.get(_TOKEN) or None)


def _refuse_expired(expires_at: str) -> None:
    from datetime import UTC, datetime

    try:
        expiry = datetime.fromisoformat(expires_at)
    except ValueError:
        raise ConfigurationError(
            f"{_EXPIRY} is {expires_at!r}, which is not a time; set it as in 2026-11-26T12:00:00Z, or unset it"
        ) from None
    expiry = expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)
    if expiry <= datetime.now(UTC):
        raise ConfigurationError(
            f"the AWS credentials in the environment expired at {expires_at} ({_EXPIRY}), so a token signed with "
            "them would be refused; fetch new ones, for instance with `aws sso login`"
        )


class _Chain:
    """boto3's credential chain, resolved once; the lock keeps threads apart, as botocore is not thread-safe there."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._found: ChainCredentials | None = None

    def __call__(self) -> Credentials:
        try:
            from botocore.exceptions import BotoCoreError
            from botocore.session import get_session
        except ImportError as missing:
            raise ConfigurationError(
                f"no AWS credentials to sign a login token: {_KEY} is not set, and boto3, which would look in "
                f"profiles, SSO, containers and instances, is not installed; set {_KEY} and {_SECRET}, or run "
                "`pip install boto3`"
            ) from missing
        with self._lock:
            try:
                self._found = self._found or get_session().get_credentials()
                frozen = self._found and self._found.get_frozen_credentials()
            except BotoCoreError as error:
                raise ConfigurationError(
                    f"no AWS credentials to sign a login token: boto3 could not load them ({error}); "
                    "check AWS_PROFILE and ~/.aws/config, or run `aws sso login`"
                ) from error
        if not frozen:
            raise ConfigurationError(
                f"no AWS credentials to sign a login token: {_KEY} is not set, and boto3 found none in "
                "profiles, SSO, containers or instances; run `aws configure` or `aws sso login`, or set the variables"
            )
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


_chain = _Chain()
