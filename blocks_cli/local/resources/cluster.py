"""`AWS::DSQL::Cluster`: a local cluster in a folder of its own."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from blocks_cli.assembly.dialect import DIALECT
from blocks_cli.json_value import Json, text
from blocks_cli.local.resources.handler import Outcome, Request
from blocks_cli.problem import CommandError
from blocks_runtime.contract import variable_prefix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.local.host import Host
    from blocks_cli.local.state import DeployedResource
    from local_dsql import LocalCluster

FOLDER = "folder"
"""Key in `DeployedResource.local`: the cluster's folder below `.blocks/local`."""
REGION = "region"

_OWN_IDS = {"Resource", "Default", "Cluster"}


class OtherDatabaseError(CommandError):
    """The folder of a cluster holds another database than the one that was deployed."""

    def __init__(self, resource: DeployedResource, identifier: str) -> None:
        super().__init__(
            f"{resource.path}: the local database is not the one that was deployed",
            f"its folder holds cluster {identifier} in place of {resource.physical_id}",
            "run `blocks deploy --local`, which migrates the new one",
        )
        self.resource = resource


class ClusterHandler:
    """Starts, restarts and removes local clusters; data outlive the process, and a destroy if retained."""

    def apply(self, request: Request, host: Host) -> Outcome:
        """Start the cluster."""
        folder = request.previous.local[FOLDER] if request.previous else _free_folder(request, host)
        local = {FOLDER: folder, REGION: request.region}
        cluster = host.clusters.start(folder, request.region, _dialect(request.properties))
        created = request.previous.attributes.get("CreationTime") if request.previous else None
        return Outcome(cluster.identifier, _attributes(cluster, request.region, created), local)

    def restore(self, resource: DeployedResource, host: Host) -> Mapping[str, str]:
        """Start the cluster; its endpoint may have moved to another port since.

        Raises:
            OtherDatabaseError: its folder was removed or replaced, and with it the database.
        """
        dialect = _dialect(resource.properties)
        cluster = host.clusters.start(resource.local[FOLDER], resource.local[REGION], dialect)
        if cluster.identifier != resource.physical_id:
            raise OtherDatabaseError(resource, cluster.identifier)
        old, new = text(resource.attributes["Endpoint"]), cluster.endpoint(resource.local[REGION])
        return {} if old == new else {old: new}

    def delete(self, resource: DeployedResource, host: Host, *, purge: bool) -> None:
        """Stop the cluster and delete its data, unless deletion protection is on."""
        if resource.properties.get("DeletionProtectionEnabled") is True and not purge:
            raise CommandError(
                f"{resource.path}: cannot be deleted",
                "deletion protection is enabled (ValidationException: deletionProtectionEnabled)",
                "deploy it with deletion protection off first, or destroy with --purge",
            )
        host.clusters.stop(resource.local[FOLDER])
        shutil.rmtree(host.workspace.clusters / resource.local[FOLDER], ignore_errors=True)


def _attributes(cluster: LocalCluster, region: str, created: Json) -> dict[str, Json]:
    """Return the attributes of the registry's schema (`AWS::DSQL::Cluster`, read-only properties)."""
    return {
        "Identifier": cluster.identifier,
        "ResourceArn": cluster.arn(region),
        "Endpoint": cluster.endpoint(region),
        "Status": "ACTIVE",
        "CreationTime": created or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "VpcEndpoint": cluster.endpoint(region),
        "VpcEndpointServiceName": f"com.amazonaws.{region}.dsql-local",
        "PolicyVersion": "1",
        "EncryptionDetails.EncryptionStatus": "ENABLED",
        "EncryptionDetails.EncryptionType": "AWS_OWNED_KMS_KEY",
        "EncryptionDetails.KmsKeyArn": "",
    }


def _dialect(properties: Mapping[str, Json]) -> str | None:
    return text(properties.get(DIALECT)) or None


def _free_folder(request: Request, host: Host) -> str:
    """Return the folder where the runtime looks for a database of the construct's id.

    Where another stack has taken it, the stack's name goes before it.
    """
    ids = request.path.split("/")[1:] or [request.logical_id]
    while len(ids) > 1 and ids[-1] in _OWN_IDS:
        ids.pop()
    taken = {resource.local.get(FOLDER) for resource in host.resources()}
    own, stack = (variable_prefix(n).removeprefix("BLOCKS_").lower() for n in (ids[-1], request.stack))
    return own if own not in taken else f"{stack}_{own}"
