"""The credentials to sign with: Lambda's own variables, or boto3's chain where there are none."""

from __future__ import annotations

import functools

from .errors import ConfigurationError
from .signing import Credentials

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.session import Session


def provider(environ: Mapping[str, str]) -> Callable[[], Credentials]:
    """Return what gives the credentials for the next token.

    Temporary credentials end, so it is asked again for each connection. Lambda puts its own into the
    environment; where there are none, boto3 looks in all the other places (containers, instances, profiles,
    SSO) and refreshes them. Only then is it imported.
    """
    if "AWS_ACCESS_KEY_ID" in environ and "AWS_SECRET_ACCESS_KEY" in environ:
        return lambda: from_environment(environ)
    return _from_chain


def from_environment(environ: Mapping[str, str]) -> Credentials:
    """Return the credentials that AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN hold."""
    return Credentials(
        environ["AWS_ACCESS_KEY_ID"],
        environ["AWS_SECRET_ACCESS_KEY"],
        environ.get("AWS_SESSION_TOKEN") or None,
    )


def _from_chain() -> Credentials:
    found = _session().get_credentials()
    if found is None:
        raise ConfigurationError(
            "no AWS credentials to sign a login token: AWS_ACCESS_KEY_ID is not set and boto3 found none; "
            "run `aws configure` or `aws sso login`, or set the variables"
        )
    frozen = found.get_frozen_credentials()
    return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


@functools.cache
def _session() -> Session:
    try:
        from botocore.session import get_session
    except ImportError as missing:
        raise ConfigurationError(
            "no AWS credentials in the environment, and boto3 is not installed to look elsewhere; "
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or install boto3"
        ) from missing
    return get_session()
