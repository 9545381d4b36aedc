"""Sources of credentials, errors without them, and the import of boto3 only when it is needed."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import errors
from blocks_runtime.shared import credentials
from blocks_runtime.shared.credentials import provider
from blocks_runtime.signing import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def no_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An account on a machine without credentials, and where its files would be; no metadata service is asked."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(credentials, "_chain", credentials._Chain())
    yield tmp_path


def test_the_environment_is_read_for_each_token() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "one"}
    ask = provider(environ)
    assert ask() == Credentials("A", "s", "one")
    environ["AWS_SESSION_TOKEN"] = ""
    assert ask() == Credentials("A", "s", None)
    environ |= {"AWS_ACCESS_KEY_ID": "B", "AWS_CREDENTIAL_EXPIRATION": str(dt.datetime.now(dt.UTC) + HOUR)}
    assert ask() == Credentials("B", "s", None)


def test_a_profile_is_found_by_boto3_in_several_threads(no_aws: Path) -> None:
    (no_aws / "credentials").write_text(
        "[default]\naws_access_key_id = FROMFILE\naws_secret_access_key = hidden\naws_session_token = t/+=\n"
    )
    found: list[Credentials] = []
    threads = [threading.Thread(target=lambda: found.append(provider({})())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [Credentials("FROMFILE", "hidden", "t/+=")] * 8


def test_expired_credentials_of_a_process_are_refreshed(no_aws: Path) -> None:
    """As SSO, containers and instances do: what expires is refreshed by botocore, at the next token."""
    script = no_aws / "give.py"
    script.write_text(
        "import json, pathlib, datetime as dt\n"
        f"counter = pathlib.Path({str(no_aws / 'counter')!r})\n"
        "number = int(counter.read_text()) + 1 if counter.exists() else 1\n"
        "counter.write_text(str(number))\n"
        "end = dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=1)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'KEY{number}', 'SecretAccessKey': 's',"
        " 'SessionToken': 't', 'Expiration': end.isoformat()}))\n"
    )
    (no_aws / "config").write_text(f"[default]\ncredential_process = {sys.executable} {script}\n")
    ask = provider({})
    first = ask().access_key_id
    assert first != ask().access_key_id


COMPLETE = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s"}
REFUSED = {
    "half": ({"AWS_ACCESS_KEY_ID": "A"}, "AWS_SECRET_ACCESS_KEY is not; set both"),
    "half, empty": (COMPLETE | {"AWS_SECRET_ACCESS_KEY": ""}, "AWS_SECRET_ACCESS_KEY is not; set both"),
    "expired": (
        COMPLETE | {"AWS_CREDENTIAL_EXPIRATION": "2026-01-02T03:04:05Z"},
        r"expired at 2026-01-02T03:04:05Z .*; fetch new ones",
    ),
    "no time": (COMPLETE | {"AWS_CREDENTIAL_EXPIRATION": "soon"}, "is 'soon', which is not a time; set it"),
    "none": ({}, "AWS_ACCESS_KEY_ID is not set, and boto3 found none .*; run `aws configure`"),
    "none, empty": ({"AWS_ACCESS_KEY_ID": ""}, "boto3 found none"),
}


@pytest.mark.parametrize(("environ", "says"), REFUSED.values(), ids=REFUSED)
def test_missing_credentials_are_named(no_aws: Path, environ: dict[str, str], says: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=says):
        provider(environ)()


def test_a_missing_profile(no_aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "absent")
    with pytest.raises(
        errors.ConfigurationError, match=r"\(The config profile \(absent\).*check AWS_PROFILE"
    ) as e:
        provider({})()
    assert type(e.value.__cause__).__name__ == "ProfileNotFound"


def test_without_boto3(no_aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    says = "AWS_ACCESS_KEY_ID is not set, and boto3, .*, is not installed; set .* or run `pip install boto3`"
    with pytest.raises(errors.ConfigurationError, match=says):
        provider({})()


def test_credentials_of_the_environment_import_no_boto3() -> None:
    code = (
        "import sys; from blocks_runtime.shared.credentials import provider; "
        "provider({'AWS_ACCESS_KEY_ID': 'A', 'AWS_SECRET_ACCESS_KEY': 's'})(); "
        "print(*{'boto3', 'botocore'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == []
