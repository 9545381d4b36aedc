"""The grant of one grantee on one database: its mapping, and the policy of its role."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import Stack, Stage
from aws_cdk import aws_iam as iam
from constructs import Construct

from blocks.shared.functions import main_resources
from blocks.shared.role_policies import OwnPolicy

if TYPE_CHECKING:
    from aws_cdk import CfnResource
    from constructs import IConstruct

    from blocks.database.places import Place, PolicyPlace
    from blocks.database.role_mapper import RoleMapper
    from blocks.database.role_mapping import RoleMapping
    from blocks.database.roles import Rights
    from blocks.shared.grantees import Grantee

_CONTAINER = "BlocksGrants"
_ADMIN_CONTAINER = "BlocksAdminGrants"


class PolicyGrant(Construct):
    """IAM permission of one role (or user) on one database; it is created before, and deleted after, its functions.

    It is in the stack of the grantee.
    """

    def __init__(self, scope: Construct, id: str, *, grantee: Grantee, place: PolicyPlace) -> None:
        """Create the grant; the policy is created by `allow`.

        Args:
            scope: parent construct, in the stack of the grantee.
            id: construct id.
            grantee: role or user.
            place: stacks of the policy and of the database.
        """
        super().__init__(scope, id)
        self._own_policy = OwnPolicy(self, grantee, place.home, is_first=place.is_deployed_before_mapping)

    @property
    def policy(self) -> CfnResource | None:
        """The policy with the IAM permission; None for a user, and for a role that this app may not change."""
        return self._own_policy.policy

    def allow(self, action: str, resource: str) -> iam.Grant:
        """Allow the role the IAM `action` on `resource`, by a policy that is deleted with the grant."""
        grantee = cast("iam.IGrantable", self._own_policy)
        return iam.Grant.add_to_principal(grantee=grantee, actions=[action], resource_arns=[resource])

    def run_before(self, *constructs: IConstruct) -> None:
        """Deploy `constructs` after the grant.

        Of a construct only the resource that runs code waits, not its role, which the grant needs.
        """
        for construct in constructs:
            for resource in main_resources(construct):
                for needed in self._needed():
                    resource.add_resource_dependency(needed)

    def _needed(self) -> list[CfnResource]:
        """Return the resources of the grant that functions wait for."""
        return [] if self.policy is None else [self.policy]


class DatabaseGrant(PolicyGrant):
    """Access of one IAM role (or user) to one database; a dependency on it waits until the role can log in."""

    mapped: CfnResource | None
    """The custom resource that maps the role to database roles; None without a migrator in this app."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        grantee: Grantee,
        place: Place,
        mapper: RoleMapper | None,
        mapping_scope: Construct | None,
        mapping_id: str,
    ) -> None:
        """Create the custom resource; the policy is created by `allow`.

        Args:
            scope: parent construct, in the stack of the grantee.
            id: construct id.
            grantee: role or user.
            place: stack of the mapping, and the ARN as that stack can refer to it.
            mapper: creator of the mappings of the database; None without a migrator.
            mapping_scope: parent construct of the custom resource; the grant itself, unless it is in another stack.
            mapping_id: construct id of the custom resource there.
        """
        super().__init__(scope, id, grantee=grantee, place=place)
        self._is_deployed_before_mapping = place.is_deployed_before_mapping
        self._mapping: RoleMapping | None = None
        self.mapped = None
        if mapper is not None:
            self._mapping, self.mapped = mapper.map(mapping_scope or self, mapping_id, place.role_arn)

    def map(self, access: Rights) -> None:
        """Map the role to the database role of `access`, in addition to those that it is mapped to."""
        if self._mapping is not None:
            self._mapping.add(access)

    def _needed(self) -> list[CfnResource]:
        """Return policy and mapping; those of a stack that is deployed before the mapping wait for the policy only."""
        mapped = None if self._is_deployed_before_mapping else self.mapped
        return [*super()._needed(), *([] if mapped is None else [mapped])]


def make_admin_grant(database: Construct, grantee: Grantee, place: PolicyPlace) -> PolicyGrant:
    """Create the permission of `grantee` to log in to `database` as `admin`, which needs no mapping.

    It is a resource of its own beside the grant of a database role: a role may go from one to the other in one deploy.
    """
    scope = _container(place.stack, database, _ADMIN_CONTAINER)
    return PolicyGrant(scope, _id_in(place.stack, grantee.principal), grantee=grantee, place=place)


def make_grant(
    database: Construct, grantee: Grantee, place: Place, mapper: RoleMapper | None
) -> DatabaseGrant:
    """Create the grant of `grantee` on `database`; its logical id depends on these two alone, not on the access."""
    scope, mapped_in = _container(place.stack, database), place.mapped_in
    if mapped_in is place.stack:
        mapping_scope, mapping_id = None, "Resource"
    else:
        # One role may have grants in several stacks, so the stack is a part of the path.
        mapping_scope = _child(_container(mapped_in, database), _id_in(mapped_in, place.stack))
        mapping_id = _id_in(mapped_in, grantee.principal)
    return DatabaseGrant(
        scope,
        _id_in(place.stack, grantee.principal),
        grantee=grantee,
        place=place,
        mapper=mapper,
        mapping_scope=mapping_scope,
        mapping_id=mapping_id,
    )


def _container(stack: Stack, database: Construct, id: str = _CONTAINER) -> Construct:
    """Return the construct with all grants on `database` in `stack`; create it on first use."""
    return _child(_child(stack, id), _id_in(stack, database))


def _child(scope: Construct, id: str) -> Construct:
    existing = scope.node.try_find_child(id)
    return Construct(scope, id) if existing is None else cast("Construct", existing)


def _id_in(stack: Stack, construct: IConstruct) -> str:
    """Return an id from the path of a construct in `stack`, or in its stage: all stages have the same logical ids.

    Two constructs never have the same id: a path with dashes is escaped, and that of another stack begins with a dash.
    """
    stage = Stage.of(construct)
    inside, path = f"{stack.node.path}/", construct.node.path
    if path.startswith(inside):
        path = path.removeprefix(inside)
    else:
        path = f"/{path if stage is None else path.removeprefix(f'{stage.node.path}/')}"
    return path.replace("~", "~0").replace("-", "~1").replace("/", "-")  # as RFC 6901 escapes
