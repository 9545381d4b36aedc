"""The handlers of an app in a test: loaded from their files, called as Lambda calls them."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from blocks_cli.json_value import parse
from blocks_runtime import DistributedDatabase

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType, TracebackType

    from local_dsql import LocalCluster

    Handler: TypeAlias = Callable[[Any, Any], object]

Json: TypeAlias = Any
"""Parsed JSON. Its shape is known to the handler, not to this module, hence the `Any`."""

_LOADED = "blocks_handler_"


class LambdaContext:
    """The second argument of a handler, with the attributes of Lambda's (AWS developer guide, "Context object")."""

    def __init__(self, function_name: str = "test", seconds: float = 30.0) -> None:
        """Begin an invocation that times out after `seconds`."""
        self.function_name = function_name
        self.function_version = "$LATEST"
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function_name}"
        self.memory_limit_in_mb = "128"
        self.aws_request_id = str(uuid.uuid4())
        self.log_group_name = f"/aws/lambda/{function_name}"
        self.log_stream_name = "test"
        self.identity = None
        self.client_context = None
        self._ends = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the timeout, 0 after it."""
        return max(0, round((self._ends - time.monotonic()) * 1000))


class App:
    """The app of a project on a local cluster, for one test.

    Attributes:
        cluster: the cluster, for fault injection and conflicts.
        db: the app's database as `admin`, to arrange and to check rows.
        environment: the variables of its functions, which the fixture sets.
    """

    def __init__(self, cluster: LocalCluster, root: Path, database: str = "main") -> None:
        """Use the project in `root`, with the id `database` of its DistributedDatabase."""
        self.cluster = cluster
        self.db = DistributedDatabase(database)
        # With the name of a function, a database without variables is an error, not the one of the working directory.
        self.environment = cluster.environment(database) | {"AWS_LAMBDA_FUNCTION_NAME": "test"}
        self._root = root

    def handler(self, place: str) -> Handler:
        """Return the handler `functions/transfer.py:handler`, as a path below the project; `:handler` may be left out.

        The file is loaded once in a session, as in a warm function, with its folder on `sys.path`.

        Raises:
            FileNotFoundError: there is no such file.
            AttributeError: the module has no such function.
        """
        path, _, name = place.partition(":")
        file = (self._root / path).resolve()
        if not file.is_file():
            raise FileNotFoundError(f"no file {file}; name a handler as functions/transfer.py:handler")
        module = _module(file)
        found = getattr(module, name or "handler", None)
        if not callable(found):
            raise AttributeError(f"{file} has no function {name or 'handler'}; name it, as in {path}:name")
        return cast("Handler", found)

    def invoke(self, handler: Handler | str, event: object = None, *, context: object | None = None) -> Json:
        """Call a handler with an event as JSON, and return its result as Lambda's JSON.

        Args:
            handler: a function, or its place as for `handler`.
            event: anything that JSON has; None is an empty event.
            context: by default a `LambdaContext`.

        Raises:
            TypeError: the event or the result is not JSON.
            Exception: that of the handler, unchanged.
        """
        function = self.handler(handler) if isinstance(handler, str) else handler
        try:
            given = parse(json.dumps({} if event is None else event))
        except ValueError as error:
            raise TypeError(f"the event is not JSON: {error}") from None
        result = function(given, LambdaContext() if context is None else context)
        return json.loads(_serialized(result))

    def __enter__(self) -> App:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.db.close()


def _module(file: Path) -> ModuleType:
    """Return the module of a file, loaded on the first call; one that a test imported by its name is the same."""
    imported = sys.modules.get(file.stem)
    if imported is not None and getattr(imported, "__file__", None) == str(file):
        return imported
    name = _LOADED + uuid.uuid5(uuid.NAMESPACE_URL, str(file)).hex
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))  # stays: a handler may import its neighbours later
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _serialized(result: object) -> str:
    """Return a result as JSON, by Lambda's own serializer where it is installed (Linux)."""
    try:
        from awslambdaric.lambda_runtime_marshaller import to_json
    except ImportError:
        to_json = json.dumps
    try:
        return cast("str", to_json(result))
    except TypeError as error:
        raise TypeError(
            f"the result of the handler is not JSON: {error}; return blocks_runtime.jsonable(…) of it"
        ) from error
