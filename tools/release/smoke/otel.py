"""The extra `otel`: a statement opens a span of the application's tracer."""

from opentelemetry import trace

from blocks_runtime import DistributedDatabase, sql

names: list[str] = []


class Tracer(trace.NoOpTracer):
    """A tracer that records the names of spans."""

    def start_span(self, name, *arguments, **options):  # type: ignore[no-untyped-def]
        """Record the name."""
        names.append(name)
        return super().start_span(name, *arguments, **options)


class Provider(trace.NoOpTracerProvider):
    """A provider of that tracer."""

    def get_tracer(self, *arguments, **options):  # type: ignore[no-untyped-def]
        """Return the recording tracer."""
        return Tracer()


trace.set_tracer_provider(Provider())
with DistributedDatabase("main") as db:
    assert db.query_one(sql("SELECT 7 AS n")) == {"n": 7}
assert "SELECT" in names, names
