"""Verification of login tokens: botocore's and the runtime's are accepted, others refused with the reason."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import boto3
import pytest

from blocks_runtime import signing
from local_dsql.access import (
    AccessDenied,
    ClusterName,
    Credentials,
    Effect,
    Identity,
    IdentityStore,
    Permission,
    Principal,
    TokenAuthenticator,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLUSTER = ClusterName("abcdefghijklmnopqrstuvwxyz")
REGION = "eu-central-1"
ROLE = "arn:aws:iam::000000000000:role/service/app"
NOW = dt.datetime(2026, 9, 17, 10, 15, tzinfo=dt.UTC)
ENDPOINT = CLUSTER.host(REGION)


@pytest.fixture
def store(tmp_path: Path) -> IdentityStore:
    return IdentityStore(tmp_path / "identities.json")


@pytest.fixture
def role(store: IdentityStore) -> Identity:
    return store.register(ROLE, [Permission("dsql:DbConnect", CLUSTER.arn(REGION))])


def authenticator(store: IdentityStore, now: dt.datetime = NOW) -> TokenAuthenticator:
    return TokenAuthenticator(CLUSTER, store, clock=lambda: now)


def boto_token(credentials: Credentials, host: str, action: str, lifetime: int) -> str:
    client = boto3.client(
        "dsql",
        region_name=REGION,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
    )
    make = {
        "DbConnect": client.generate_db_connect_auth_token,
        "DbConnectAdmin": client.generate_db_connect_admin_auth_token,
    }[action]
    token: str = make(Hostname=host, Region=REGION, ExpiresIn=lifetime)
    return token


@pytest.mark.parametrize("host", [ENDPOINT, "localhost", "localhost:54321", "127.0.0.1:5", "[::1]:54321"])
def test_botocore_token_is_accepted(store: IdentityStore, role: Identity, host: str) -> None:
    token = boto_token(role.credentials, host, "DbConnect", 900)
    real_clock = TokenAuthenticator(CLUSTER, store)
    answer = real_clock.authenticate(user="app", token=token, region=REGION, host=ENDPOINT)
    assert answer == Principal(ROLE, "DbConnect")


def token_of(
    credentials: Credentials,
    *,
    host: str = "localhost:5432",
    region: str = REGION,
    action: str = "DbConnect",
    lifetime: int = 900,
    now: dt.datetime = NOW,
) -> str:
    user = "admin" if action == "DbConnectAdmin" else "app"
    return signing.token(host, region, user, credentials, lifetime=lifetime, at=now.timestamp())


def test_validity_period_of_a_token(store: IdentityStore, role: Identity) -> None:
    token = token_of(role.credentials)
    for seconds, accepted in [
        (-301, False),
        (-299, True),
        (0, True),
        (899, True),
        (900, False),
        (10**7, False),
    ]:
        gate = authenticator(store, NOW + dt.timedelta(seconds=seconds))
        if accepted:
            gate.authenticate(user="app", token=token, region=REGION, host="localhost")
        else:
            with pytest.raises(AccessDenied):
                gate.authenticate(user="app", token=token, region=REGION, host="localhost")


REFUSALS: dict[str, tuple[Callable[[Credentials], str], str]] = {
    "empty": (lambda keys: "", "not an authentication token"),
    "a-password": (lambda keys: "hunter2", "not an authentication token"),
    "not-ascii": (lambda keys: token_of(keys) + "é", "not an authentication token"),
    "endless": (lambda keys: token_of(keys) + "&x=" + "y" * 20_000, "not an authentication token"),
    "no-signature": (lambda keys: token_of(keys).rpartition("&")[0], "X-Amz-Signature missing"),
    "twice-an-action": (lambda keys: token_of(keys) + "&Action=DbConnectAdmin", "duplicate parameter"),
    "sigv2": (lambda keys: token_of(keys).replace("HMAC-SHA256", "HMAC-SHA1"), "X-Amz-Algorithm"),
    "other-headers": (lambda keys: token_of(keys).replace("=host", "=host%3Bdate"), "X-Amz-SignedHeaders"),
    "bad-date": (lambda keys: token_of(keys).replace("Date=2026", "Date=yesterday"), "X-Amz-Date"),
    "bad-scope": (lambda keys: token_of(keys).replace("aws4_request", "aws4"), "X-Amz-Credential"),
    "other-day": (
        lambda keys: token_of(keys).replace("%2F20260917%2F", "%2F20260916%2F"),
        "Credential scope",
    ),
    "endless-life": (lambda keys: token_of(keys).replace("=900", "=604801"), "less than a week"),
    "no-life": (lambda keys: token_of(keys).replace("=900", "=0"), "between 1 and 604800"),
    "longer-life": (lambda keys: token_of(keys).replace("=900", "=901"), "does not match"),
    "other-action": (lambda keys: token_of(keys).replace("DbConnect", "DbConnectAdmin"), "does not match"),
    "other-host": (lambda keys: token_of(keys).replace("localhost", "127.0.0.1"), "does not match"),
    "changed-signature": (lambda keys: token_of(keys)[:-4] + "beef", "does not match"),
    "unknown-key": (
        lambda keys: token_of(replace(keys, access_key_id="AKIAUNKNOWN")),
        "security token included in the request is invalid",
    ),
    "wrong-secret": (lambda keys: token_of(replace(keys, secret_access_key="guess")), "does not match"),
    "wrong-session": (lambda keys: token_of(replace(keys, session_token="guess")), "security token included"),
    "no-session": (lambda keys: token_of(replace(keys, session_token=None)), "security token included"),
    "other-region": (
        lambda keys: token_of(keys, region="us-east-1"),
        "scoped to a valid region: 'eu-central-1'",
    ),
    "foreign-cluster": (lambda keys: token_of(keys, host="b" * 26 + ENDPOINT[26:]), "not this endpoint"),
    "endpoint-elsewhere": (
        lambda keys: token_of(keys, host=CLUSTER.host("us-east-1")),
        "not this endpoint",
    ),
    "admin-token-for-a-role": (
        lambda keys: token_of(keys, action="DbConnectAdmin"),
        "needs a token for the action",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusal(store: IdentityStore, role: Identity, case: str) -> None:
    make, hint = REFUSALS[case]
    with pytest.raises(AccessDenied, match=hint) as refusal:
        authenticator(store).authenticate(
            user="app", token=make(role.credentials), region=REGION, host="localhost"
        )
    assert refusal.value.message == "unable to accept connection, access denied"
    assert role.credentials.secret_access_key not in str(refusal.value)


@pytest.mark.parametrize(
    ("permissions", "user", "action", "admitted"),
    [
        pytest.param([Permission("dsql:DbConnectAdmin", "*")], "admin", "DbConnectAdmin", True, id="admin"),
        pytest.param(
            [Permission("dsql:DbConnect", "*")], "admin", "DbConnectAdmin", False, id="not-the-admin"
        ),
        pytest.param([Permission("dsql:*", "*")], "admin", "DbConnect", False, id="admin-with-a-plain-token"),
        pytest.param([], "app", "DbConnect", False, id="no-permission"),
        pytest.param(
            [Permission("dsql:DbConnect", "*"), Permission("dsql:DbConnect", "*", Effect.DENY)],
            "app",
            "DbConnect",
            False,
            id="denied",
        ),
    ],
)
def test_permission_decides(
    store: IdentityStore, permissions: list[Permission], user: str, action: str, admitted: bool
) -> None:
    keys = store.register(ROLE, permissions).credentials
    token = token_of(keys, action=action)
    if admitted:
        authenticator(store).authenticate(user=user, token=token, region=REGION, host="localhost")
        return
    with pytest.raises(AccessDenied):
        authenticator(store).authenticate(user=user, token=token, region=REGION, host="localhost")


def test_unknown_server_name_is_refused(store: IdentityStore, role: Identity) -> None:
    with pytest.raises(AccessDenied, match="not an endpoint of this cluster"):
        authenticator(store).authenticate(
            user="app", token=token_of(role.credentials), region=REGION, host="db.example.com"
        )


def test_identities_persist_privately(tmp_path: Path) -> None:
    file = tmp_path / "identities.json"
    first = IdentityStore(file).register(ROLE, [Permission("dsql:DbConnect", "*")])
    again = IdentityStore(file)
    changed = again.register(ROLE, [Permission("dsql:DbConnect", "*", Effect.DENY)])
    assert changed.credentials == first.credentials
    assert IdentityStore(file).find(first.credentials.access_key_id) == changed
    assert file.stat().st_mode & 0o777 == 0o600
    assert first.credentials.secret_access_key not in repr(first)


@pytest.mark.parametrize(
    "arn",
    [
        "app",
        "arn:aws:sts::000000000000:assumed-role/app/session",
        "arn:aws:iam::1:role/app",
        "arn:aws:iam::000000000000:root",
        f"{ROLE}\n",
    ],
)
def test_only_roles_and_users_are_identities(store: IdentityStore, arn: str) -> None:
    with pytest.raises(ValueError, match="not the ARN of an IAM role or user"):
        store.register(arn, [])


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_any_partition(store: IdentityStore, partition: str) -> None:
    arn = f"arn:{partition}:iam::123456789012:user/dev"
    assert store.register(arn, []).credentials.session_token is None
