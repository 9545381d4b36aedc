"""Log, spans and metrics, without values and tokens."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from blocks_runtime import DistributedDatabase, errors, sql
from blocks_runtime.database.instrumentation import fingerprint
from tests.blocks_runtime.conftest import function_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import LiteralString

    from blocks_runtime import Transaction
    from local_dsql import LocalCluster

ONE = sql("SELECT n FROM items WHERE id = 1")
ADD = sql("UPDATE items SET n = n + 1 WHERE id = 1")
SECRET = "hunter2"


def test_nothing_is_logged_by_default(function: None, cluster: LocalCluster) -> None:
    """Not even without a handler for warnings, as in a plain script."""
    program = (
        "from blocks_runtime import DistributedDatabase, errors, sql\n"
        "db = DistributedDatabase('main')\n"
        "db.query(sql('SELECT 1'))\n"
        "try: db.transaction(lambda tx: tx.query(sql('SELEC')))\n"
        "except errors.QueryFailed: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_each_statement_has_a_line_at_debug(
    db: DistributedDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    statement = sql("SELECT n FROM items WHERE id = {id} AND 'x' <> {word}", id=1, word=SECRET)
    with caplog.at_level(logging.DEBUG, "blocks_runtime"):
        db.query(statement)
        with pytest.raises(errors.QueryFailed):
            db.query(sql("SELECT {word}::int", word=SECRET))
        assert len(list(db.stream(statement))) == 1
    records = [vars(record) for record in caplog.records if "fingerprint" in vars(record)]
    first, second, streamed = records
    assert {name: streamed[name] for name in ("fingerprint", "rows")} == {
        name: first[name] for name in ("fingerprint", "rows")
    }
    assert first["fingerprint"] == fingerprint(statement.text)
    assert (first["database"], first["rows"], first["sqlstate"]) == ("main", 1, None)
    assert first["milliseconds"] >= 0
    assert second["sqlstate"] == "22P02"
    assert SECRET not in repr(records)
    assert "X-Amz-" not in repr(records)


FINGERPRINTS: dict[str, tuple[str, str, bool]] = {
    "the same": ("SELECT 1", "SELECT 1", True),
    "laid out differently": ("SELECT  n\n FROM t", "SELECT n FROM t", True),
    "a longer list": ("SELECT 1 WHERE x IN ($1, $2)", "SELECT 1 WHERE x IN ($1,$2,$3)", True),
    "another column": ("SELECT n FROM t", "SELECT m FROM t", False),
}


@pytest.mark.parametrize(("one", "other", "equal"), FINGERPRINTS.values(), ids=FINGERPRINTS)
def test_fingerprints(one: str, other: str, equal: bool) -> None:
    assert (fingerprint(one) == fingerprint(other)) is equal


def test_a_retry_leaves_one_line(db: DistributedDatabase, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "blocks_runtime"):
        db.simulate_conflict(times=2)
        db.transaction(lambda tx: tx.execute(ADD), retry_on_conflict=True)
        db.transaction(lambda tx: tx.execute(ADD), retry_on_conflict=True)
        db.simulate_conflict()
        db.execute(ADD)
    assert [(record.levelname, vars(record)["attempts"]) for record in caplog.records] == [
        ("INFO", 3),  # the transaction
        ("INFO", 1),  # the statement that is run again
    ]


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture(scope="module")
def reader() -> InMemoryMetricReader:
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    return reader


@pytest.fixture
def traced(spans: InMemorySpanExporter, db: DistributedDatabase) -> DistributedDatabase:
    db.warm_up()
    spans.clear()
    return db


def test_spans(spans: InMemorySpanExporter, traced: DistributedDatabase) -> None:
    def work(tx: Transaction) -> None:
        tx.query(sql("SELECT n FROM items WHERE id = {id} OR {word} = ''", id=1, word=SECRET))

    traced.transaction(work)
    with pytest.raises(errors.UniqueConstraintViolation):
        traced.execute(sql("INSERT INTO items VALUES (1, 1)"))
    finished = spans.get_finished_spans()
    assert [span.name for span in finished] == ["BEGIN", "SELECT", "COMMIT", "INSERT"]
    _, select, _, insert = (dict(span.attributes or {}) for span in finished)
    assert select["db.system.name"] == "postgresql"
    assert select["db.query.text"] == "SELECT n FROM items WHERE id = $1 OR $2 = ''"
    assert select["db.response.returned_rows"] == 1
    assert select["server.address"] == "localhost"
    assert insert["db.response.status_code"] == insert["error.type"] == "23505"
    assert finished[3].status.status_code is trace.StatusCode.ERROR
    assert all(span.kind is trace.SpanKind.CLIENT for span in finished)
    assert SECRET not in "".join(span.to_json() for span in finished)


def test_a_stream_is_a_span_of_its_own(spans: InMemorySpanExporter, traced: DistributedDatabase) -> None:
    """Spans of the caller between two rows are not its children."""
    for _ in traced.stream(sql("SELECT generate_series(1, 3) AS n")):
        assert not trace.get_current_span().is_recording()
        traced.query(ONE)
    finished = spans.get_finished_spans()
    assert [span.name for span in finished] == ["SELECT"] * 4
    stream = finished[-1]
    assert (stream.attributes or {})["db.response.returned_rows"] == 3
    assert all(span.parent is None for span in finished)
    with pytest.raises(errors.QueryFailed):
        next(traced.stream(sql("SELECT 1 / 0")))
    assert (spans.get_finished_spans()[-1].attributes or {})["error.type"] == "22012"


NAMED = {
    "-- why\nSELECT 1": "SELECT",
    "/* app=shop */ (SELECT 1) UNION ALL (SELECT 2)": "SELECT",
    "WITH a AS (SELECT 1) SELECT * FROM a": "WITH",
    "": "statement",
    "-- nothing": "statement",
}


@pytest.mark.parametrize(("text", "name"), NAMED.items())
def test_a_span_is_called_by_the_first_word(
    spans: InMemorySpanExporter, traced: DistributedDatabase, text: LiteralString, name: str
) -> None:
    traced.execute(sql(text))
    assert [span.name for span in spans.get_finished_spans()] == [name]


def test_a_transaction_marks_the_span_it_is_in(
    spans: InMemorySpanExporter, traced: DistributedDatabase
) -> None:
    traced.simulate_conflict()
    with trace.get_tracer("test").start_as_current_span("handler"):
        traced.transaction(lambda tx: tx.execute(ADD), retry_on_conflict=True)
    (handler,) = (span for span in spans.get_finished_spans() if span.name == "handler")
    (event,) = handler.events
    assert event.name == "dsql.transaction"
    assert (event.attributes or {})["attempts"] == 2


def test_metrics(reader: InMemoryMetricReader, traced: DistributedDatabase) -> None:
    traced.transaction(lambda tx: tx.query(ONE))
    data = reader.get_metrics_data()
    assert data is not None
    found = {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert {"db.client.operation.duration", "blocks.dsql.transaction.attempts"} <= set(found)
    assert found["db.client.operation.duration"].unit == "s"
    operations = {
        (point.attributes or {}).get("db.operation.name")
        for point in found["db.client.operation.duration"].data.data_points
    }
    assert {"BEGIN", "SELECT", "COMMIT"} <= operations


@pytest.mark.parametrize(
    ("before", "loaded"), [("pass", False), ("import opentelemetry.trace", True)], ids=["without", "with"]
)
def test_opentelemetry_is_used_only_if_the_process_uses_it(
    cluster: LocalCluster, function: None, before: str, loaded: bool
) -> None:
    program = (
        f"import sys\n{before}\nfrom blocks_runtime import DistributedDatabase, sql\n"
        "with DistributedDatabase('main') as db: db.query(sql('SELECT 1'))\n"
        "print('blocks_runtime.database.otel' in sys.modules, 'opentelemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(loaded)] * 2


HIDES: dict[str, Callable[[DistributedDatabase], object]] = {
    "database": lambda db: db,
    "statement": lambda db: sql("SELECT {word}", word=SECRET),
    "engine": lambda db: db._engine,
    "location": lambda db: db._connected().location,
    "stats": lambda db: db.stats,
}


@pytest.mark.parametrize("shown", HIDES.values(), ids=HIDES)
def test_no_secret_is_logged_or_traced(
    db: DistributedDatabase, cluster: LocalCluster, shown: Callable[[DistributedDatabase], object]
) -> None:
    db.query(ONE)
    text = repr(shown(db))
    assert SECRET not in text
    assert function_environment(cluster)["AWS_SECRET_ACCESS_KEY"] not in text
    assert "X-Amz-Signature" not in text
