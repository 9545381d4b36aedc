"""Environment variables of a function, as on Lambda."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from local_dsql.access import credential_variables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_runtime.signing import Credentials


def function_environment(
    function: FunctionConfiguration, credentials: Credentials, opt: Path, python_path: tuple[Path, ...]
) -> dict[str, str]:
    """Return all variables of a sandbox except the address of its Runtime API.

    No variable of the developer's shell is inherited. Names and precedence (reserved variables over the function's own)
    are from the Lambda developer guide, "Using Lambda environment variables".
    """
    return {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": f"/usr/local/bin:/usr/bin:/bin:{opt / 'bin'}",
        "LD_LIBRARY_PATH": f"{function.code}:{function.code / 'lib'}:{opt / 'lib'}",
        **function.environment,
        **_reserved(function),
        **credential_variables(credentials),
        "PYTHONPATH": ":".join(map(str, python_path)),
    }


def _reserved(function: FunctionConfiguration) -> Mapping[str, str]:
    return {
        "_HANDLER": function.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d')}/[$LATEST]{secrets.token_hex(16)}",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "LAMBDA_TASK_ROOT": str(function.code),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
    }
