"""`AWS::DSQL::Cluster`: a local cluster in its own folder."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from blocks_cli.control_plane.cluster import ClusterId, Status
from blocks_cli.control_plane.errors import ApiError
from blocks_cli.errors import CommandError
from blocks_cli.json_value import Json, mapping, sequence, text
from blocks_cli.local.cluster_state import decode_cluster, encode_cluster, sync_endpoint
from blocks_cli.local.resources.handler import ResourceRequest, ResourceResult
from blocks_runtime.shared.local_service import local_name
from blocks_settings.app_record import DIALECT_PROPERTY, id_of_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.local.account import LocalAccount
    from blocks_cli.local.state import DeployedResource
    from local_dsql import LocalCluster

FOLDER = "folder"
"""Key in `DeployedResource.local`: the cluster's folder below `.blocks/local`."""
REGION = "region"


class OtherDatabaseError(CommandError):
    """The folder of a cluster contains another database than the deployed one."""

    def __init__(self, resource: DeployedResource, identifier: str) -> None:
        super().__init__(
            f"{resource.path}: the local database is not the deployed one",
            f"its folder contains cluster {identifier} instead of {resource.physical_id}",
            "run `blocks deploy --local` to migrate the new one",
        )
        self.resource = resource


class ClusterHandler:
    """Starts, restarts and removes local clusters; data outlives the process, and a destroy if retained."""

    def apply(self, request: ResourceRequest, account: LocalAccount) -> ResourceResult:
        """Start the cluster; a cluster that names a peer is the same database in another Region."""
        previous = request.previous
        folder = (
            previous.local[FOLDER]
            if previous
            else _peers_folder(request, account) or _free_folder(request, account)
        )
        cluster = account.clusters.start(folder, request.region, _dialect(request.properties))
        id = ClusterId(request.region, cluster.identifier, request.account, request.partition)
        known = decode_cluster(id.arn, request.properties, previous.local if previous else {})
        local = {FOLDER: folder, REGION: request.region, **encode_cluster(known)}
        created = previous.attributes.get("CreationTime") if previous else None
        attributes = _attributes(cluster, id, created) | {"Status": known.status.value}
        return ResourceResult(cluster.identifier, attributes, local)

    def restore(self, resource: DeployedResource, account: LocalAccount) -> Mapping[str, str]:
        """Start the cluster; its endpoint may have another port than before.

        Raises:
            OtherDatabaseError: its folder was removed or replaced.
        """
        region, arn = resource.local[REGION], text(resource.attributes["ResourceArn"])
        known = decode_cluster(arn, resource.properties, resource.local)
        if known.status is Status.DELETED:
            return {}  # deleted by the API, but not yet by its stack
        cluster = account.clusters.start(resource.local[FOLDER], region, _dialect(resource.properties))
        if cluster.identifier != resource.physical_id:
            raise OtherDatabaseError(resource, cluster.identifier)
        account.control_plane.add(known)
        sync_endpoint(known, cluster)
        old, new = text(resource.attributes["Endpoint"]), cluster.endpoint(region)
        return {} if old == new else {old: new}

    def delete(self, resource: DeployedResource, account: LocalAccount, *, purge: bool) -> None:
        """Delete the cluster with the API; delete the data with the last cluster of the database."""
        folder, id = resource.local[FOLDER], ClusterId.parse(text(resource.attributes["ResourceArn"]))
        try:
            status = account.control_plane.delete(id.region, id.identifier)["status"]
        except ApiError as error:
            if error.name == "ValidationException" and not purge:
                raise _protected(resource) from None
            status = Status.DELETED.value  # CloudFormation treats a missing cluster as deleted
        if status == Status.PENDING_DELETE.value and not purge:
            raise _pending(resource)
        if not _others(resource, account):
            account.clusters.stop(folder)
            shutil.rmtree(account.workspace.clusters / folder, ignore_errors=True)


def _others(resource: DeployedResource, account: LocalAccount) -> bool:
    """Return whether another cluster of the same database is deployed."""
    folder, arn = resource.local[FOLDER], resource.attributes["ResourceArn"]
    return any(
        other.local.get(FOLDER) == folder and other.attributes["ResourceArn"] != arn
        for other in account.resources()
    )


def _protected(resource: DeployedResource) -> CommandError:
    return CommandError(
        f"{resource.path}: cannot be deleted",
        "deletion protection is enabled (ValidationException: deletionProtectionEnabled)",
        "deploy it without deletion protection first, or destroy with --purge",
    )


def _pending(resource: DeployedResource) -> CommandError:
    return CommandError(
        f"{resource.path}: the cluster is in PENDING_DELETE",
        "two peered clusters are deleted together",
        "destroy the stack of its peer as well, or destroy with --purge",
    )


def _peers_folder(request: ResourceRequest, account: LocalAccount) -> str | None:
    """Return the folder of the peer that the request names."""
    wanted = mapping(request.properties.get("MultiRegionProperties"))
    named = {text(arn) for arn in sequence(wanted.get("Clusters"))}
    found = (r.local.get(FOLDER) for r in account.resources() if r.attributes.get("ResourceArn") in named)
    return next((folder for folder in found if folder), None)


def _attributes(cluster: LocalCluster, id: ClusterId, created: Json) -> dict[str, Json]:
    """Return the read-only properties in the schema of `AWS::DSQL::Cluster`; the ARN has the account of the stack."""
    region = id.region
    return {
        "Identifier": cluster.identifier,
        "ResourceArn": id.arn,
        "Endpoint": cluster.endpoint(region),
        "CreationTime": created or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "VpcEndpoint": cluster.endpoint(region),
        "VpcEndpointServiceName": f"com.amazonaws.{region}.dsql-local",
        "PolicyVersion": "1",
        "EncryptionDetails.EncryptionStatus": "ENABLED",
        "EncryptionDetails.EncryptionType": "AWS_OWNED_KMS_KEY",
        "EncryptionDetails.KmsKeyArn": "",
    }


def _dialect(properties: Mapping[str, Json]) -> str | None:
    return text(properties.get(DIALECT_PROPERTY)) or None


def _free_folder(request: ResourceRequest, account: LocalAccount) -> str:
    """Return the folder in which the runtime looks for a database with the construct's id.

    If another stack uses that folder, the stack name is added as a prefix.
    """
    id = id_of_path(request.path, request.logical_id)
    taken = {resource.local.get(FOLDER) for resource in account.resources()}
    own, stack = (local_name(n) for n in (id, request.stack))
    return own if own not in taken else f"{stack}_{own}"
