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

    from blocks.database.places import Place
    from blocks.database.role_mapper import RoleMapper
    from blocks.database.role_mapping import RoleMapping
    from blocks.database.roles import Rights
    from blocks.shared.grantees import Grantee

_CONTAINER = "BlocksGrants"


class DatabaseGrant(Construct):
    """Access of one IAM role (or user) to one database; a dependency on it waits until the role can log in.

    It is in the stack of the grantee. So it is created before the functions of that stack change, and deleted after
    them.
    """

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
        mapping_scope: Construct,
        mapping_id: str,
    ) -> None:
        """Create the custom resource; the policy is created by `allow`.

        Args:
            scope: parent construct, in the stack of the grantee.
            id: construct id.
            grantee: role or user.
            place: stack of the mapping, and the ARN as that stack can refer to it.
            mapper: creator of the mappings of the database; None without a migrator.
            mapping_scope: parent construct of the custom resource, if it is in another stack.
            mapping_id: its construct id there.
        """
        super().__init__(scope, id)
        self._is_deployed_before_mapping = place.is_deployed_before_mapping
        self._own_policy = OwnPolicy(self, grantee, place.home)
        self._mapping: RoleMapping | None = None
        self.mapped = None
        if mapper is not None:
            is_here = place.mapped_in is place.stack
            owner, name = (self, "Resource") if is_here else (mapping_scope, mapping_id)
            self._mapping, self.mapped = mapper.map(owner, name, place.role_arn)

    @property
    def policy(self) -> CfnResource | None:
        """The policy with the IAM permission; None for a role that this app does not create, or may not change."""
        return self._own_policy.policy

    def map(self, access: Rights) -> None:
        """Map the role to the database role of `access`, in addition to those that it is mapped to."""
        if self._mapping is not None:
            self._mapping.add(access)

    def allow(self, action: str, resource: str) -> iam.Grant:
        """Allow the role the IAM `action` on `resource`, by a policy that is deleted with the grant."""
        grantee = cast("iam.IGrantable", self._own_policy)
        return iam.Grant.add_to_principal(grantee=grantee, actions=[action], resource_arns=[resource])

    def run_before(self, *constructs: IConstruct) -> None:
        """Deploy `constructs` after the grant; those of a stack that is deployed before the mapping, after the policy.

        Of a construct only the resource that runs code waits, not its role, which the grant needs.
        """
        mapped = None if self._is_deployed_before_mapping else self.mapped
        for construct in constructs:
            for resource in main_resources(construct):
                for needed in filter(None, (self.policy, mapped)):
                    resource.add_resource_dependency(needed)


def make_grant(
    database: Construct, grantee: Grantee, place: Place, mapper: RoleMapper | None
) -> DatabaseGrant:
    """Create the grant of `grantee` on `database`; its logical id depends on these two alone, not on the access."""
    return DatabaseGrant(
        _container(place.stack),
        _id_in(place.stack, database, grantee.principal),
        grantee=grantee,
        place=place,
        mapper=mapper,
        mapping_scope=_container(place.mapped_in),
        mapping_id=_id_in(place.mapped_in, database, grantee.principal),
    )


def _container(stack: Stack) -> Construct:
    """Return the construct with all grants in `stack`; create it on first use."""
    existing = stack.node.try_find_child(_CONTAINER)
    return Construct(stack, _CONTAINER) if existing is None else cast("Construct", existing)


def _id_in(stack: Stack, *constructs: IConstruct) -> str:
    """Return an id from the paths of constructs in `stack`, or in its stage: all stages have the same logical ids."""
    return "-".join(_path_in(stack, each) for each in constructs).replace("/", "-")


def _path_in(stack: Stack, construct: IConstruct) -> str:
    stage = Stage.of(construct)
    path = construct.node.path.removeprefix(f"{stack.node.path}/")
    return path if stage is None else path.removeprefix(f"{stage.node.path}/")
