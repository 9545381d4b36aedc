"""PgBouncer in front of a PostgreSQL: what a proxy written in C costs that only passes messages on.

It pools sessions, like the local DSQL, so prepared statements and transactions stay with one backend.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.relays import certificates_in, connection_strings, free_port, wait_until_listening
from local_dsql.postgres import choose_account

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("PgBouncer, TLS", "PgBouncer, plain text")
"""Names of the contenders, in the order of the connection strings of `running`."""
_SETTINGS = """[databases]
postgres = host={sockets} port={server_port} user={user} dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = session
client_tls_sslmode = allow
client_tls_cert_file = {certificate}
client_tls_key_file = {key}
ignore_startup_parameters = extra_float_digits
logfile = {folder}/log
"""


def available() -> bool:
    """Return whether PgBouncer is on PATH."""
    return shutil.which("pgbouncer") is not None


@contextmanager
def running(sockets: str, server_port: int, user: str) -> Iterator[tuple[str, str]]:
    """Run it in front of the PostgreSQL with this socket; yield its connection strings: over TLS, in plain text."""
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        certificates = certificates_in(folder)
        port = free_port()
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            _SETTINGS.format(
                sockets=sockets,
                server_port=server_port,
                user=user,
                port=port,
                certificate=certificates.server_certificate,
                key=certificates.server_key,
                folder=folder,
            )
        )
        account = choose_account()  # it refuses to run as root, like PostgreSQL
        with subprocess.Popen(["pgbouncer", "-q", settings], preexec_fn=account.enter) as process:
            try:
                wait_until_listening(port)
                yield connection_strings(port, user, certificates)
            finally:
                process.terminate()
