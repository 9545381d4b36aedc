"""The signer gives the same bytes as boto3, for any credentials, host, role and time."""

from __future__ import annotations

import calendar
import datetime as dt
import functools
import itertools
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks_runtime.signing import Credentials, _encoded, token
from local_dsql.access.token import read_token

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = "4iabtwnq2j55iez4j4bkykghgm"
HOSTS = {
    "public": f"{ID}.dsql.us-east-1.on.aws",
    "private (PrivateLink)": f"{ID}.dsql-fnh4.us-east-1.on.aws",
    "FIPS": f"{ID}.dsql-fips.us-east-1.on.aws",
    "China": f"{ID}.dsql.cn-north-1.on.amazonwebservices.com.cn",
    "local": "localhost",
}
REGIONS = {
    "aws": "us-east-1",
    "aws, far": "ap-northeast-3",
    "aws-us-gov": "us-gov-west-1",
    "aws-cn": "cn-northwest-1",
    "aws-iso": "us-iso-east-1",
    "aws-eusc": "eusc-de-east-1",
}
KEYS = {
    "long-lived": Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    "temporary": Credentials("ASIAEXAMPLE", "secret/+=&?", "IQoJb3JpZ2luX2VjE//+=%20&x~._-" * 30),
    "every ASCII character": Credentials("AKID", "s", "".join(map(chr, range(32, 127)))),
    "percent signs": Credentials("AKID", "s", "%25%2F%%%"),
    "beyond ASCII": Credentials("AKID~._-", "ü" * 3, "ü ß/é+𝄞"),
}
TIMES = {
    "now-ish": "2026-11-26T12:34:56",
    "epoch": "1970-01-01T00:00:00",
    "end of a year": "2026-12-31T23:59:59",
    "leap day": "2028-02-29T00:00:01",
    "single digits": "2027-01-02T03:04:05",
    "after 2038": "2040-05-06T07:08:09",
}
ROLES = ("admin", "blocks_main_read_write")
LIFETIMES = (900, 604_800)


@functools.cache
def client_for(region: str, keys: Credentials) -> Any:
    return boto3.client(
        "dsql",
        region_name=region,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dt.datetime]]:
    """The time that botocore uses, in a list of one."""
    now = [dt.datetime(2026, 11, 26, tzinfo=dt.UTC)]
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: now[0])
    yield now


def by_boto3(keys: Credentials, host: str, region: str, role: str, lifetime: int) -> str:
    client = client_for(region, keys)
    make = client.generate_db_connect_auth_token
    if role == "admin":
        make = client.generate_db_connect_admin_auth_token
    made: str = make(host, region, lifetime)
    return made


@pytest.mark.parametrize("moment", TIMES)
@pytest.mark.parametrize("key", KEYS)
def test_same_bytes_as_boto3(key: str, moment: str, clock: list[dt.datetime]) -> None:
    clock[0] = dt.datetime.fromisoformat(TIMES[moment]).replace(tzinfo=dt.UTC)
    at = calendar.timegm(clock[0].timetuple())
    for host, region, role, lifetime in itertools.product(HOSTS.values(), REGIONS.values(), ROLES, LIFETIMES):
        ours = token(host, region, role, KEYS[key], lifetime=lifetime, at=at + 0.9)
        assert ours == by_boto3(KEYS[key], host, region, role, lifetime), (host, region, role, lifetime)


@given(st.text())
@settings(deadline=None)
def test_any_text_is_encoded_as_botocore_encodes_it(text: str) -> None:
    assert _encoded(text) == quote(text, safe="-_.~")


def signed_at(made: str) -> int:
    stamp = parse_qs(made.partition("?")[2])["X-Amz-Date"][0]
    return calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))


def test_a_token_is_valid_from_now_for_fifteen_minutes_by_default() -> None:
    before = int(time.time())
    made = token("h", "r", "admin", KEYS["long-lived"])
    assert before <= signed_at(made) <= time.time()
    assert read_token(made).lifetime == dt.timedelta(minutes=15)


@pytest.mark.parametrize(("role", "action"), [("admin", "DbConnectAdmin"), ("app", "DbConnect")])
def test_the_role_decides_the_action(role: str, action: str) -> None:
    assert read_token(token(HOSTS["public"], "us-east-1", role, KEYS["temporary"])).action == action


@pytest.mark.parametrize("key", KEYS)
def test_repr_hides_secrets(key: str) -> None:
    shown = repr(KEYS[key])
    assert shown == f"Credentials(access_key_id={KEYS[key].access_key_id!r})"
