"""Cost of importing the runtime, asserted on the modules that it loads in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORBIDDEN = {
    "psycopg",
    "boto3",
    "botocore",
    "asyncio",
    "aws_cdk",
    "typing",
    "re",
    "dataclasses",
    "logging",
    "ssl",
}


def modules_after(code: str) -> set[str]:
    """Return the names of the modules that `code` pulled in, beyond those of a bare interpreter."""
    show = f"import sys; bare = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - bare))"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_pulls_in_nothing_else() -> None:
    lazy = {"blocks_runtime.shared", "blocks_runtime.shared.lazy_exports"}
    assert modules_after("import blocks_runtime") == {"__future__", "blocks_runtime", *lazy}
    own = {"fragments", "sql_scanner", "templates", "statements", "database"}
    assert modules_after("from blocks_runtime import DistributedDatabase, sql") == {
        *("__future__", "blocks_runtime", "blocks_runtime.database", *lazy),
        *(f"blocks_runtime.database.{module}" for module in own),
        *("blocks_runtime.shared.callbacks", "blocks_runtime.shared.deadline", "_functools"),
    }


@pytest.mark.parametrize(
    "code",
    [
        "import blocks_runtime",
        "from blocks_runtime import DistributedDatabase, sql; db = DistributedDatabase('main')",
        "from blocks_runtime import sql; sql('SELECT {x}', x=1).text",
        "from blocks_runtime import AtomicTable; table = AtomicTable('locks')",
    ],
)
def test_nothing_heavy_before_the_first_statement(code: str) -> None:
    assert not modules_after(code) & FORBIDDEN


def test_a_table_needs_no_boto3_and_no_driver() -> None:
    code = "import blocks_runtime.atomic_table.connect"
    assert not modules_after(code) & {
        "boto3",
        "botocore",
        "aws_cdk",
        "local_dynamodb",
        "psycopg",
        "http.client",
    }


def test_contract_needs_only_the_standard_library() -> None:
    outside = {module.partition(".")[0] for module in modules_after("import blocks_runtime.contract")}
    assert outside <= sys.stdlib_module_names | {"blocks_runtime"}


def test_connecting_needs_no_boto3() -> None:
    code = "import blocks_runtime.database.engine, blocks_runtime.database.session"
    assert not modules_after(code) & {"boto3", "botocore", "aws_cdk", "local_dsql"}
