"""The standard-library signer gives the bytes that boto3 gives."""

from __future__ import annotations

import calendar
import itertools
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import boto3
import pytest

from blocks_runtime.credentials import provider
from blocks_runtime.signing import Credentials, token

if TYPE_CHECKING:
    from pathlib import Path

HOSTS = (
    "4iabtwnq2j55iez4j4bkykghgm.dsql.us-east-1.on.aws",
    "4iabtwnq2j55iez4j4bkykghgm.dsql-abcd.eu-central-1.on.aws",
    "localhost",
)
REGIONS = ("us-east-1", "ap-northeast-1", "us-gov-west-1")
KEYS = {
    "long-lived": Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    "temporary": Credentials("ASIAEXAMPLE", "secret/+=&?", "IQoJb3JpZ2luX2VjE//+=%20&x~._-" * 20),
    "unusual": Credentials("AKID~._-", "ü" * 3, "ü ß/é+"),
}
ROLES = ("admin", "blocks_main_read_write")
LIFETIMES = (1, 900, 604_800)


def client_for(region: str, keys: Credentials) -> Any:
    return boto3.client(
        "dsql",
        region_name=region,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
    )


def signed_at(made: str) -> int:
    stamp = parse_qs(made.partition("?")[2])["X-Amz-Date"][0]
    return calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("region", REGIONS)
def test_same_bytes_as_boto3(region: str, key: str) -> None:
    client = client_for(region, KEYS[key])
    for host, role, lifetime in itertools.product(HOSTS, ROLES, LIFETIMES):
        make = client.generate_db_connect_auth_token
        if role == "admin":
            make = client.generate_db_connect_admin_auth_token
        theirs = make(host, region, lifetime)
        ours = token(host, region, role, KEYS[key], lifetime=lifetime, at=signed_at(theirs))
        assert ours == theirs, (host, role, lifetime)


def test_signs_for_now_by_default() -> None:
    before = int(time.time())
    assert before <= signed_at(token("h", "r", "admin", KEYS["long-lived"])) <= time.time()


def test_environment_is_read_anew_for_each_token() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "one"}
    credentials = provider(environ)
    assert credentials() == Credentials("A", "s", "one")
    environ["AWS_SESSION_TOKEN"] = ""
    assert credentials() == Credentials("A", "s", None)


def test_other_sources_come_from_botocore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = FROMFILE\naws_secret_access_key = hidden\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    assert provider({})() == Credentials("FROMFILE", "hidden")


@pytest.mark.parametrize("key", KEYS)
def test_repr_hides_secrets(key: str) -> None:
    shown = repr(KEYS[key])
    assert KEYS[key].access_key_id in shown
    assert KEYS[key].secret_access_key not in shown
    assert "session" not in shown
