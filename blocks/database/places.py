"""Place of a grant: the stacks of its resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_cdk import Stack


@dataclass(frozen=True, kw_only=True)
class PolicyPlace:
    """The stacks of the policy of one grant."""

    home: Stack
    """Stack of the database."""
    stack: Stack
    """Stack of the grant and its policy: usually that of the grantee."""
    is_deployed_before_mapping: bool = False
    """True in the peer's stack, whose functions cannot wait for the mapping."""


@dataclass(frozen=True, kw_only=True)
class Place(PolicyPlace):
    """The stacks of one grant with a mapping."""

    mapped_in: Stack
    """Stack of the custom resource, in the Region of the migrator."""
    role_arn: str
    """ARN of the role, as `mapped_in` can refer to it."""
