"""The extra `aws`: the runtime finds credentials in a profile, with boto3, and logs in with them."""

import os
import tempfile
from pathlib import Path

from blocks_runtime import DistributedDatabase, sql

with tempfile.TemporaryDirectory() as folder:
    profile = Path(folder) / "credentials"
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    lines = [f"{name} = {os.environ.pop(name.upper())}" for name in names if name.upper() in os.environ]
    profile.touch(mode=0o600)
    profile.write_text("\n".join(("[default]", *lines, "")))
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(profile)
    with DistributedDatabase("main") as db:
        assert db.query_one(sql("SELECT 7 AS n")) == {"n": 7}
