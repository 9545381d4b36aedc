"""Ids of outputs that other stacks read with `Fn::GetStackOutput`."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from aws_cdk import Stack

if TYPE_CHECKING:
    from aws_cdk import CfnElement


def output_id(prefix: str, identity: CfnElement) -> str:
    """Return an id for an output with the ARN or the name of a role or user.

    It changes if the role is replaced, so that the reader's template changes: `Fn::GetStackOutput` is evaluated again
    only when the reader is deployed.
    """
    stack = Stack.of(identity)
    names = [stack.resolve(getattr(identity, name, None)) for name in ("role_name", "user_name", "path")]
    digest = hashlib.sha256(json.dumps([identity.node.addr, *names], sort_keys=True).encode())
    return f"{prefix}{digest.hexdigest()[:8]}"
