"""Functions and layers: unpack bundles, and deploy functions to the local Lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError
from blocks_cli.json_value import Json, mapping, text
from blocks_cli.local.placeholders import physical_name
from blocks_cli.local.resources.handler import PassiveHandler, ResourceRequest, ResourceResult
from blocks_cli.local.state import CODE, SOURCE
from blocks_cli.sources.files import files_below
from blocks_cli.sources.match import find_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.local.account import LocalAccount
    from blocks_cli.local.state import DeployedResource


class LayerHandler(PassiveHandler):
    """`AWS::Lambda::LayerVersion`."""

    def apply(self, request: ResourceRequest, account: LocalAccount) -> ResourceResult:
        """Unpack the layer."""
        name = text(request.properties.get("LayerName")) or physical_name(request.stack, request.logical_id)
        key = _unpack(mapping(request.properties.get("Content")), request, account)
        # A layer version is immutable: new content is a new version with a new physical id.
        version = int(key[:7], 16) if key else 1
        arn = f"{request.arn_prefix('lambda')}:layer:{name}:{version}"
        return ResourceResult(arn, {"LayerVersionArn": arn}, {CODE: key})


class FunctionHandler:
    """`AWS::Lambda::Function`."""

    def apply(self, request: ResourceRequest, account: LocalAccount) -> ResourceResult:
        """Unpack the bundle."""
        name = text(request.properties.get("FunctionName")) or physical_name(
            request.stack, request.logical_id
        )
        arn = f"{request.arn_prefix('lambda')}:function:{name}"
        code = mapping(request.properties.get("Code"))
        key = _inline(code, request, account) if "ZipFile" in code else _unpack(code, request, account)
        return ResourceResult(name, {"Arn": arn}, {CODE: key, **_source(key, account)})

    def restore(self, resource: DeployedResource, account: LocalAccount) -> Mapping[str, str]:
        """Deploy the function to the local Lambda."""
        account.deploy_function(resource)
        return {}

    def delete(self, resource: DeployedResource, account: LocalAccount, *, purge: bool) -> None:
        """End the function's sandboxes."""
        del purge
        account.functions.remove(text(resource.attributes.get("Arn")))


def _source(key: str, account: LocalAccount) -> dict[str, str]:
    """Return the folder of the project that the bundle was made from, if it is certain, for traces."""
    root = account.workspace.root
    found = find_source(account.store.path(key), root, files_below(root)) if key else None
    return {} if found is None else {SOURCE: found}


def _inline(code: Mapping[str, Json], request: ResourceRequest, account: LocalAccount) -> str:
    if not text(request.properties.get("Runtime")).startswith("python"):
        return ""
    return account.store.inline(text(code["ZipFile"]))


def _unpack(code: Mapping[str, Json], request: ResourceRequest, account: LocalAccount) -> str:
    """Unpack the bundle and return its key in the store; empty for a container image, which cannot run locally."""
    if "S3Key" not in code:
        return ""
    object_key = text(code["S3Key"])
    if object_key not in request.assets:
        raise CommandError(
            f"{request.path}: its code s3://{text(code.get('S3Bucket'))}/{object_key} is not available",
            "it is not an asset of this app, and a local deploy downloads nothing",
            "use Code.from_asset",
        )
    return account.store.asset(request.assets[object_key])
