"""Evaluation of IAM permissions, limited to what connecting to a cluster needs."""

from __future__ import annotations

import enum
import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Effect(enum.Enum):
    """Effect of a permission."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True)
class Permission:
    """One action on one resource, as in an IAM policy statement.

    `action` is like `dsql:DbConnect`, `resource` is an ARN; both may contain the wildcards `*` (any text) and `?` (one
    character). Actions are compared without case, resources with case (IAM user guide, JSON policy elements).
    """

    action: str
    resource: str
    effect: Effect = Effect.ALLOW

    def covers(self, action: str, resource: str) -> bool:
        """Return whether this permission applies to `action` on `resource`, whatever its effect."""
        return _matches(self.action.lower(), action.lower()) and _matches(self.resource, resource)


def allowed(permissions: Iterable[Permission], action: str, resource: str) -> bool:
    """Return IAM's decision: an applicable Deny refuses, else an Allow is required."""
    effects = {permission.effect for permission in permissions if permission.covers(action, resource)}
    return Effect.ALLOW in effects and Effect.DENY not in effects


def _matches(pattern: str, text: str) -> bool:
    return _compile(pattern).fullmatch(text) is not None


@functools.lru_cache(maxsize=1024)
def _compile(pattern: str) -> re.Pattern[str]:
    wildcards = {"*": ".*", "?": "."}
    expression = "".join(wildcards.get(character) or re.escape(character) for character in pattern)
    return re.compile(expression, re.DOTALL)
