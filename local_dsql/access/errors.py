"""The error of a refused login, with DSQL's message."""

from __future__ import annotations


class AccessDenied(Exception):
    """A login was refused.

    Attributes:
        message: DSQL's message, the same for every reason (AWS user guide, troubleshooting).
        hint: the reason, which DSQL sends in the HINT field; it never contains a token or a secret.
        sqlstate: `28000`, invalid authorization specification; AWS does not document the code.
    """

    message = "unable to accept connection, access denied"
    sqlstate = "28000"

    def __init__(self, hint: str) -> None:
        super().__init__(self.message, hint)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}"
