"""Log a client in: from its startup message to a session under its database role."""

from __future__ import annotations

import hashlib
import secrets
import struct
from typing import TYPE_CHECKING

from local_dsql.access import AccessDenied
from local_dsql.access.short_password import PREFIX
from local_dsql.proxy import errors
from local_dsql.proxy.dispatcher import Dispatcher
from local_dsql.proxy.parameters import SERVER_VERSION, SETTABLE
from local_dsql.proxy.roles import ADMIN, is_reserved
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.messages import ServerMessage
from local_dsql.wire.response import BackendError
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    import asyncio

    from local_dsql.access import Principal
    from local_dsql.proxy.connection import ClientConnection
    from local_dsql.proxy.server_context import ServerContext
    from local_dsql.wire.backend import Backend

DATABASE = "postgres"

_PROTOCOL_OPTION = "_pq_."
"""Prefix of startup parameters that ask for an extension of the protocol."""

_TOO_MANY_CONNECTIONS = "53300"
_NO_SETTINGS = {"user", "database", "options", "replication"}
_HIDDEN = {"is_superuser", "session_authorization"}


class LoginRefused(Exception):
    """The login is refused with `reason`."""

    def __init__(self, reason: ServerMessage) -> None:
        super().__init__(reason.message)
        self.reason = reason


async def authenticate_client(
    context: ServerContext,
    client: ClientConnection,
    version: int,
    body: bytes,
    password: asyncio.Future[str],
) -> None:
    """Log a client in and attach its handler, or close its connection with DSQL's error.

    Args:
        context: services of the endpoint.
        client: the connection.
        version: protocol version of the startup message.
        body: body of the startup message.
        password: the login token, once it has arrived.
    """
    try:
        parameters = _read(body)
        client.send(_negotiation(version, parameters))
        _check(parameters)
        settings = _settings(parameters)
        client.send(messages.PASSWORD_REQUEST)
        role = parameters["user"]
        given, host = await password, client.server_name
        if host is None and not given.startswith(
            PREFIX
        ):  # Java sends none for a name without a dot: localhost
            raise LoginRefused(errors.NO_SERVER_NAME)
        principal = _authenticate(context, role, given, host)
        backend = await _backend(context, role, principal, settings)
    except LoginRefused as refused:
        client.close(refused.reason)
        return
    except BackendError as error:
        client.close(_backend_refusal(error))
        return
    except OSError:
        client.close(errors.DATABASE_STOPPED)
        return
    if client.closing:
        backend.close()
        return
    dispatcher = Dispatcher(context, client, backend, role)
    client.attach(dispatcher, errors.too_long(context.profile))
    client.send(_greeting(backend, role))
    dispatcher.start()


def _read(body: bytes) -> dict[str, str]:
    try:
        parameters = messages.read_startup(body)
    except ValueError as error:
        raise LoginRefused(ServerMessage("08P01", str(error), severity="FATAL")) from None
    return parameters


def _negotiation(version: int, parameters: dict[str, str]) -> bytes:
    """Return NegotiateProtocolVersion if the client asks for more than protocol 3.0 has, else empty."""
    options = [name for name in parameters if name.startswith(_PROTOCOL_OPTION)]
    if version <= messages.PROTOCOL_3 and not options:
        return b""
    return messages.negotiate_protocol_version(options)


def _check(parameters: dict[str, str]) -> None:
    """Check user and database."""
    user = parameters.get("user")
    if not user:
        text = "no PostgreSQL user name specified in startup packet"
        raise LoginRefused(ServerMessage("28000", text, severity="FATAL"))
    database = parameters.get("database", user)
    if database != DATABASE:
        hint = f"A cluster has one database: connect to {DATABASE}."
        message = f'database "{database}" does not exist'
        raise LoginRefused(ServerMessage("3D000", message, hint=hint, severity="FATAL"))


def _settings(parameters: dict[str, str]) -> dict[str, str]:
    """Return the parameters for PostgreSQL, those in `options` included."""
    wanted = {name: value for name, value in parameters.items() if name not in _NO_SETTINGS}
    wanted |= _options(parameters.get("options", ""))
    if parameters.get("replication", "false").lower() not in ("false", "off", "no", "0"):
        wanted["replication"] = "true"
    for name in wanted:
        if name.lower() not in SETTABLE and not name.startswith(_PROTOCOL_OPTION):
            raise LoginRefused(errors.not_supported_setting(name))
    return {name: value for name, value in wanted.items() if not name.startswith(_PROTOCOL_OPTION)}


def _options(text: str) -> dict[str, str]:
    """Return what `-c name=value` and `--name=value` set; a backslash escapes the next character."""
    words: list[str] = [""]
    escaped = False
    for character in text:
        if escaped or (character != "\\" and not character.isspace()):
            words[-1] += character
            escaped = False
        elif character == "\\":
            escaped = True
        elif words[-1]:
            words.append("")
    found: dict[str, str] = {}
    follows = False
    for word in filter(None, words):
        if word == "-c":
            follows = True
            continue
        setting = (
            word if follows else word.removeprefix("--") if word.startswith("--") else word.removeprefix("-c")
        )
        name, _, value = setting.partition("=")
        found[name.replace("-", "_")] = value
        follows = False
    return found


def _authenticate(context: ServerContext, role: str, token: str, host: str | None) -> Principal:
    try:
        return context.authenticator.authenticate(user=role, token=token, region=context.region, host=host)
    except AccessDenied as denied:
        raise LoginRefused(errors.access_denied(denied.hint, denied.message, denied.sqlstate)) from None


async def _backend(
    context: ServerContext, role: str, principal: Principal, settings: dict[str, str]
) -> Backend:
    """Return a backend connection that is logged in as the role, which must be mapped to the principal.

    Raises:
        LoginRefused: the role does not exist, cannot log in, or is not mapped.
    """
    await _check_role(context, role, principal)
    parameters = {"user": role, "database": DATABASE, "application_name": "", **settings}
    # Returned by sys.iam_session_user(); RESET ALL keeps it.
    parameters["local_dsql.principal"] = _proven(principal.arn, context.login_secret)
    parameters["local_dsql.as_of"] = context.profile.as_of.isoformat()
    return await context.address.connect(parameters)


def _proven(arn: str, secret: str) -> str:
    """Return an ARN with a digest, which proves to the database that the proxy has sent it."""
    return hashlib.sha256(f"{secret}{arn}{secret}".encode()).hexdigest() + arn


async def _check_role(context: ServerContext, role: str, principal: Principal) -> None:
    rows = await context.engine.services.control.rows(
        f"SELECT rolcanlogin AND NOT rolsuper, {literal(role)} = {literal(ADMIN)} OR EXISTS"
        f" (SELECT FROM sys.iam_pg_role_mappings WHERE pg_role_oid = r.oid AND arn = {literal(principal.arn)})"
        f" FROM pg_catalog.pg_roles r WHERE rolname = {literal(role)}"
    )
    denied = AccessDenied.message
    if is_reserved(role) or not rows or rows[0][0] != "t":
        hint = f'No database role "{role}" may log in; admin creates one with CREATE ROLE … WITH LOGIN.'
        raise LoginRefused(errors.access_denied(hint, denied, AccessDenied.sqlstate))
    if rows[0][1] != "t":
        arn = principal.arn
        hint = f"{arn} may not log in as {role}; admin allows it with AWS IAM GRANT {role} TO '{arn}'."
        raise LoginRefused(errors.access_denied(hint, denied, AccessDenied.sqlstate))


def _backend_refusal(error: BackendError) -> ServerMessage:
    """Return the error for a client whose backend connection PostgreSQL has refused."""
    if error.sqlstate == _TOO_MANY_CONNECTIONS:
        return errors.TOO_MANY_CONNECTIONS
    return ServerMessage(error.sqlstate, error.fields.get("M", ""), severity="FATAL")


def _greeting(backend: Backend, role: str) -> bytes:
    shown = {name: value for name, value in backend.parameters.items() if name not in _HIDDEN}
    shown |= {"server_version": SERVER_VERSION, "is_superuser": "off", "session_authorization": role}
    key = struct.pack("!II", backend.pid, secrets.randbits(32))
    status = b"".join(messages.parameter_status(name, value) for name, value in shown.items())
    return messages.AUTHENTICATION_OK + status + messages.frame(BackendMessage.BACKEND_KEY_DATA, key)
