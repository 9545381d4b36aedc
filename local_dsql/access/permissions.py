"""IAM permissions, as far as connecting to a cluster asks for them."""

from __future__ import annotations

import enum
import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Effect(enum.Enum):
    """Whether a permission allows or denies."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True)
class Permission:
    """One action on one resource, as an IAM statement names them.

    `action` is like `dsql:DbConnect`, `resource` an ARN; both may hold the wildcards `*` (any text) and `?`
    (one character). Actions compare without regard to case, resources exactly (IAM user guide, JSON policy
    elements).
    """

    action: str
    resource: str
    effect: Effect = Effect.ALLOW

    def covers(self, action: str, resource: str) -> bool:
        """Return whether this permission speaks of `action` on `resource`, to allow or to deny it."""
        return _matches(self.action.lower(), action.lower()) and _matches(self.resource, resource)


def allowed(permissions: Iterable[Permission], action: str, resource: str) -> bool:
    """Return what IAM decides: a Deny wins, else an Allow is needed, else no."""
    effects = {permission.effect for permission in permissions if permission.covers(action, resource)}
    return Effect.ALLOW in effects and Effect.DENY not in effects


def _matches(pattern: str, text: str) -> bool:
    return _compile(pattern).fullmatch(text) is not None


@functools.lru_cache(maxsize=1024)
def _compile(pattern: str) -> re.Pattern[str]:
    wildcards = {"*": ".*", "?": "."}
    expression = "".join(wildcards.get(character) or re.escape(character) for character in pattern)
    return re.compile(expression, re.DOTALL)
