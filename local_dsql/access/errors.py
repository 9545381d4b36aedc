"""The error of a refused login, with DSQL's message."""

from __future__ import annotations

REFUSED_LOGIN = "08P01"
"""SQLSTATE of a refused login, protocol violation, as AWS's connectors expect it (plain text, unknown role)."""


class AccessDenied(Exception):
    """A login was refused.

    Attributes:
        message: DSQL's message, the same for every reason (AWS user guide, troubleshooting).
        hint: the reason, which DSQL sends in the HINT field; it never contains a token or a secret.
        sqlstate: that of every refused login; AWS does not document the code.
    """

    message = "unable to accept connection, access denied"
    sqlstate = REFUSED_LOGIN

    def __init__(self, hint: str) -> None:
        super().__init__(self.message, hint)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}"
