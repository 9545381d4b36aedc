"""The extra `dialect`: a migration with TRUNCATE is refused, one with a table is compiled."""

import tempfile
from pathlib import Path

from dsql_dialect.migrations import compile_folder
from dsql_dialect.migrations.errors import MigrationErrors

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "001_create.sql").write_text("CREATE TABLE orders (id uuid PRIMARY KEY);\n")
    assert b"orders" in compile_folder(folder).canonical_json()
    (folder / "002_clear.sql").write_text("TRUNCATE orders;\n")
    try:
        compile_folder(folder)
    except MigrationErrors as refused:
        assert "TRUNCATE is not supported" in str(refused), refused
    else:
        raise AssertionError("TRUNCATE was accepted")
