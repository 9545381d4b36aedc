"""Roles of the database's stack whose grants are in other stacks.

A release without `Custom::DsqlGrant` mapped them in the stack of the database. On the upgrade the migrator keeps
their mappings until the other stacks are deployed, which is after this one. It reads the list on the upgrade only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import jsii
from aws_cdk import (
    CfnResource,
    IAnyProducer,
    IResolvable,
    IResolveContext,
    Lazy,
    Reference,
    Stack,
    Tokenization,
)
from aws_cdk import aws_iam as iam

from blocks.shared.grantees import outermost

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from constructs import Construct, IConstruct

    from blocks.database.role_mapping import RoleMapping

_REFERENCES = {"Ref", "Fn::GetAtt", "Fn::Sub"}


@jsii.implements(IAnyProducer)
class GrantsElsewhere:
    """The list of one database, rendered as the property `Elsewhere` of `Custom::DsqlMigrations`."""

    def __init__(self, database: Construct) -> None:
        self._home = Stack.of(database)
        self._mappings: list[RoleMapping] = []

    def add(self, scope: Construct, mapping: RoleMapping) -> None:
        """Add the mapping of a grant in `scope`, unless it is deployed together with the database."""
        if outermost(Stack.of(scope)) is not outermost(self._home):
            self._mappings.append(mapping)

    def render(self) -> IResolvable:
        """Return the list as a token; the property is left out if the list is empty."""
        return Lazy.uncached_any(self)

    def produce(self, context: IResolveContext) -> list[dict[str, object]] | None:
        """Return database role and ARN of each mapping that the template can name without a circular dependency."""
        rows = {
            json.dumps(row, sort_keys=True): row
            for mapping in self._mappings
            if _can_be_named(mapping.role_arn, self._home)
            for role in mapping.database_roles
            for row in [{"DatabaseRole": role, "RoleArn": context.resolve(mapping.role_arn)}]
        }
        return [rows[key] for key in sorted(rows)] or None


def _can_be_named(arn: str, home: Stack) -> bool:
    """Return whether an ARN is a text, or of a role of `home` that itself depends on no other resource."""
    for token in Tokenization.reverse_string(arn).tokens:
        if Reference.is_reference(token):
            target = cast("Reference", token).target
            if Stack.of(target) is not home or not _depends_on_nothing(target, home):
                return False
        elif any(_references(home.resolve(token))):
            return False
    return True


def _depends_on_nothing(target: IConstruct, home: Stack) -> bool:
    if isinstance(target, iam.CfnRole):
        parts: list[object] = [
            *(target.assume_role_policy_document, target.managed_policy_arns, target.permissions_boundary),
            *(target.policies, target.tags.render_tags(), target.role_name, target.path),
        ]
    elif isinstance(target, iam.CfnUser):
        parts = [
            *(target.groups, target.login_profile, target.managed_policy_arns, target.permissions_boundary),
            *(target.policies, target.tags.render_tags(), target.user_name, target.path),
        ]
    else:
        return False
    depends: Iterable[object] = cast("CfnResource", target).obtain_dependencies()
    return not any(depends) and not any(_references(home.resolve(parts)))


def _references(value: object) -> Iterator[str]:
    """Yield the functions in a resolved value that refer to a resource or a parameter of the template."""
    if isinstance(value, dict):
        for key, inner in value.items():
            is_pseudo = key == "Ref" and str(inner).startswith("AWS::")
            if key in _REFERENCES and not is_pseudo:
                yield key
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
