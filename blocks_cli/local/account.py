"""The local counterpart of an AWS account: clusters, functions, identities, API endpoints."""

from __future__ import annotations

import dataclasses
import secrets
import threading
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import FUNCTION
from blocks_cli.control_plane.endpoint import ControlPlaneEndpoint
from blocks_cli.control_plane.states import ControlPlane
from blocks_cli.errors import CommandError
from blocks_cli.json_value import text
from blocks_cli.lambda_.code_store import CodeStore
from blocks_cli.lambda_.endpoint import LambdaEndpoint
from blocks_cli.lambda_.log_file import LogFile
from blocks_cli.lambda_.service import LambdaService
from blocks_cli.local.cluster_state import encode_cluster, sync_endpoint
from blocks_cli.local.clusters import Clusters
from blocks_cli.local.functions import authorities, configuration, missing_layers
from blocks_cli.local.placeholders import is_placeholder
from blocks_cli.local.policies import local_arn, permissions_of, roles_of
from blocks_cli.local.responses import ResponseServer
from blocks_cli.local.state import StateFolder
from blocks_cli.local.tables import Tables
from blocks_runtime.signing import Credentials
from local_dsql.access import LOCAL_ACCOUNT, Permission, allowed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blocks_cli.control_plane.cluster import Cluster
    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_cli.local.policies import Role
    from blocks_cli.local.report import Report
    from blocks_cli.local.state import DeployedResource, StackState
    from blocks_cli.workspace import Workspace

INVOKE = "lambda:InvokeFunction"


def _is_handler(arn: str, resources: Sequence[DeployedResource]) -> bool:
    """Return whether a function is the handler of a custom resource."""
    return any(each.properties.get("ServiceToken") == arn for each in resources)


class LocalAccount:
    """The running clusters, functions and endpoints of one workspace, and the state of its stacks.

    `states` are the deployed stacks by name; only `save` and `forget` change them, and `saves` counts these changes.
    `ports` are those of `Clusters`.
    """

    def __init__(self, workspace: Workspace, report: Report, ports: Mapping[str, int] | None = None) -> None:
        self._state_folder = StateFolder(workspace.stacks)
        self.states: dict[str, StackState] = self._state_folder.load()
        self.saves = 0
        self.workspace = workspace
        self.report = report
        self.store = CodeStore(workspace.code)
        self.clusters = Clusters(workspace.clusters, ports or {})
        self.tables = Tables(workspace.dynamodb)
        self.responses = ResponseServer()
        self.log = LogFile(workspace.logs)
        self.functions = LambdaService(
            self.store, workspace.packages, workspace.temporary, self.credentials_of, self._output
        )
        self._endpoint = LambdaEndpoint(self.functions, self.find_function, self._may_invoke)
        self.control_plane = ControlPlane(LOCAL_ACCOUNT, changed=self._cluster_changed)
        self._control_endpoint = ControlPlaneEndpoint(self.control_plane, self._may_configure)
        self.functions.defaults = {
            "AWS_ENDPOINT_URL_LAMBDA": self._endpoint.url,
            "AWS_ENDPOINT_URL_DSQL": self._control_endpoint.url,
        }
        self._noted: set[str] = set()
        self._added_environment: dict[str, dict[str, str]] = {}
        self._owners: dict[str, str] = {}
        self._registered: set[str] = set()
        self._credentials: dict[str, Credentials] = {}
        self._lock = threading.Lock()

    def resources(self) -> tuple[DeployedResource, ...]:
        """Return all deployed resources of all stacks."""
        return tuple(resource for state in self.states.values() for resource in state.resources.values())

    def handlers(self) -> frozenset[str]:
        """Return the ARNs of the functions that handle custom resources."""
        tokens = (text(each.properties.get("ServiceToken")) for each in self.resources())
        return frozenset(filter(None, tokens))

    def existing(self) -> tuple[DeployedResource, ...]:
        """Return all resources that exist: replaced ones exist until the cleanup deletes them."""
        leftovers = (resource for state in self.states.values() for resource in state.leftovers)
        return (*leftovers, *self.resources())

    def save(self, state: StackState) -> None:
        """Save the state of a stack."""
        self.saves += state != self.states.get(state.name)
        self.states[state.name] = state
        self._state_folder.save(state)

    def forget(self, name: str) -> None:
        """Remove the state of a stack."""
        self.saves += 1
        del self.states[name]
        self._state_folder.remove(name)

    def note(self, text: str) -> None:
        """Report a note, once."""
        if text not in self._noted:
            self._noted.add(text)
            self.report.note(text)

    def stack_id_of(self, resource: DeployedResource) -> str:
        """Return the ARN of a resource's stack."""
        for state in self.states.values():
            if state.resources.get(resource.logical_id) == resource or resource in state.leftovers:
                return f"arn:aws:cloudformation:{state.region}:{state.account}:stack/{state.name}/local"
        raise KeyError(resource.logical_id)

    def deploy_function(self, resource: DeployedResource) -> None:
        """Deploy a function to the local Lambda, with the variables that only a local function needs."""
        resources = self.resources()
        base = configuration(resource, resources, self.store)
        extra = authorities(base.environment, self.clusters.ca_files()) | self._added_environment.get(
            base.arn, {}
        )
        if self.tables.url is not None:
            extra["AWS_ENDPOINT_URL_DYNAMODB"] = self.tables.url
        local = dataclasses.replace(base, environment={**base.environment, **extra})
        try:
            # The handler of a custom resource is invoked later in the same deploy.
            notes = self.functions.put(local, at_once=_is_handler(base.arn, resources))
        except CommandError as error:
            notes = (f"{error.why}; {error.remedy}",)
        for arn in missing_layers(resource, resources):
            notes = (*notes, f"runs without {arn}: the layer is not defined in the app")
        for note in notes:
            self.report.differs(resource.path, note)

    def add_environment(self, function_arn: str, variables: Mapping[str, str]) -> None:
        """Add variables to a function's environment."""
        given = self._added_environment.setdefault(function_arn, {})
        if variables.items() <= given.items():
            return
        given.update(variables)
        for resource in self.resources():
            if resource.attributes.get("Arn") == function_arn and not is_placeholder(resource):
                self.deploy_function(resource)

    def find_function(self, name: str) -> str | None:
        """Return the ARN of a function by physical name or full ARN, with or without a qualifier."""
        for resource in self.existing():
            if resource.type == FUNCTION:
                arn = text(resource.attributes["Arn"])
                unqualified = ":".join(name.split(":")[:7]) if name.startswith("arn:") else name.split(":")[0]
                if unqualified in {arn, resource.physical_id}:
                    return arn
        return None

    def credentials_of(self, role_arn: str) -> Credentials:
        """Return the credentials of a role, after registering its permissions with all clusters and tables."""
        role = self._role(role_arn)
        given = None if role is None else self._share(role_arn, self._permissions(role))
        credentials = given or self._credentials_without_cluster(role_arn)
        self.tables.register(
            credentials.access_key_id, role_arn, () if role is None else self._permissions(role)
        )
        return credentials

    def publish_permissions(self) -> None:
        """Register the permissions of all roles with all clusters and tables, after a role or policy changed.

        A role that was deleted loses all of them.
        """
        roles = roles_of(self.existing())
        for arn, role in roles.items():
            self._share(arn, self._permissions(role))
        for arn in self._registered - roles.keys():
            self._share(arn, ())
        for key_id, arn in self._owners.items():
            self.tables.register(key_id, arn, self._permissions(roles[arn]) if arn in roles else ())

    def _share(self, arn: str, permissions: Sequence[Permission]) -> Credentials | None:
        """Register a role with all clusters; it has the same credentials in each, as on AWS. None without clusters."""
        shared: Credentials | None = None
        for cluster in dict.fromkeys(self.clusters.by_arn().values()):
            shared = cluster.identity(arn, permissions, shared)
        if shared is not None:
            self._registered.add(arn)
            self._owners[shared.access_key_id] = arn
        return shared

    def close(self) -> None:
        """Close functions, endpoints, clusters and tables."""
        self.functions.close()
        self._endpoint.close()
        self._control_endpoint.close()
        self.responses.close()
        self.clusters.close()
        self.tables.close()
        self.log.close()

    def _output(self, function: FunctionConfiguration, line: str) -> None:
        self.log.write(function.path, line)
        self.report.output(function, line)

    def _permissions(self, role: Role, context: Mapping[str, str] | None = None) -> tuple[Permission, ...]:
        return permissions_of(role, self.existing(), self.clusters.by_arn(), context)

    def _role(self, arn: str) -> Role | None:
        return roles_of(self.existing()).get(arn)

    def _credentials_without_cluster(self, role_arn: str) -> Credentials:
        with self._lock:
            if role_arn not in self._credentials:
                key_id = f"ASIA{secrets.token_hex(8).upper()}"
                self._credentials[role_arn] = Credentials(
                    key_id, secrets.token_urlsafe(30), secrets.token_urlsafe(60)
                )
                self._owners[key_id] = role_arn
            return self._credentials[role_arn]

    def may(self, access_key_id: str, action: str, arn: str) -> bool:
        """Return whether the owner of an access key may call this action on this resource."""
        role = self._role(self._owners.get(access_key_id, ""))
        return role is not None and allowed(self._permissions(role), action, local_arn(arn))

    def _may_invoke(self, access_key_id: str, function_arn: str) -> bool:
        return self.may(access_key_id, INVOKE, function_arn)

    def _may_configure(self, access_key_id: str, action: str, arn: str, witness: str | None) -> bool:
        role = self._role(self._owners.get(access_key_id, ""))
        context = {"dsql:WitnessRegion": witness} if witness else {}
        return role is not None and allowed(self._permissions(role, context), action, local_arn(arn))

    def _cluster_changed(self, cluster: Cluster) -> None:
        """Save the state of a cluster, and open its endpoint while it is usable."""
        for state in [*self.states.values()]:
            for resource in state.resources.values():
                if resource.attributes.get("ResourceArn") == cluster.arn:
                    local = {**resource.local, **encode_cluster(cluster)}
                    self.save(state.with_resource(dataclasses.replace(resource, local=local)))
        sync_endpoint(cluster, self.clusters.by_arn().get(local_arn(cluster.arn)))
