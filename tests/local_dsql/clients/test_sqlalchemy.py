"""SQLAlchemy core and ORM, with its PostgreSQL dialect and with AWS's dialect for DSQL."""

from __future__ import annotations

import decimal  # noqa: TC003 - SQLAlchemy reads the annotations
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from aurora_dsql_sqlalchemy import create_dsql_engine
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import insert

from tests.support.aws_environment import environment, host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.rows import TupleRow

    from local_dsql import LocalCluster

    Other = psycopg.Connection[TupleRow]


class Base(orm.DeclarativeBase):
    pass


class Owner(Base):
    __tablename__ = "owners"
    id: orm.Mapped[uuid.UUID] = orm.mapped_column(
        primary_key=True, server_default=sa.text("gen_random_uuid()")
    )
    name: orm.Mapped[str] = orm.mapped_column(sa.Text, unique=True)
    accounts: orm.Mapped[list[Account]] = orm.relationship(back_populates="owner", order_by="Account.number")


class Account(Base):
    __tablename__ = "accounts"
    number: orm.Mapped[int] = orm.mapped_column(primary_key=True, autoincrement=False)
    balance: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(12, 2), default=0)
    owner_id: orm.Mapped[uuid.UUID] = orm.mapped_column(sa.ForeignKey("owners.id"))
    owner: orm.Mapped[Owner] = orm.relationship(back_populates="accounts")


OWNERS, ACCOUNTS = Base.metadata.tables["owners"], Base.metadata.tables["accounts"]


def plain_engine(cluster: LocalCluster) -> sa.Engine:
    """The PostgreSQL dialect; by default it searches for hstore in a savepoint."""
    dsn = cluster.dsn()
    return sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), use_native_hstore=False
    )


def aws_engine(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """AWS's dialect, unmodified, with the host name that the cluster would have on AWS."""
    for name, value in environment(cluster).items():
        monkeypatch.setenv(name, value)
    engine: sa.Engine = create_dsql_engine(
        host=host(cluster), user="admin", driver="psycopg", sslrootcert=str(cluster.ca_file)
    )
    return engine


@pytest.fixture
def plain(dsql: LocalCluster) -> Iterator[sa.Engine]:
    """An engine with tables, each created in its own transaction."""
    engine = plain_engine(dsql)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        Base.metadata.create_all(connection)
    yield engine
    engine.dispose()


@pytest.fixture
def aws(dsql: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    """The same with AWS's dialect, which commits after each DDL statement."""
    engine = aws_engine(dsql, monkeypatch)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["plain", "aws"])
def engine(request: pytest.FixtureRequest) -> sa.Engine:
    """Each of the two engines."""
    engine: sa.Engine = request.getfixturevalue(request.param)
    return engine


def test_core(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        owner = connection.execute(sa.insert(OWNERS).values(name="ann").returning(OWNERS.c.id)).scalar_one()
        rows = [{"number": number, "balance": number, "owner_id": owner} for number in range(500)]
        connection.execute(sa.insert(ACCOUNTS), rows)
    with engine.connect() as connection:
        total = sa.select(sa.func.sum(ACCOUNTS.c.balance)).where(ACCOUNTS.c.number.in_([1, 2, 3]))
        assert connection.execute(total).scalar_one() == 6
        upsert = insert(ACCOUNTS).values(number=1, balance=5, owner_id=owner)
        upsert = upsert.on_conflict_do_update(
            index_elements=["number"], set_={"balance": upsert.excluded.balance}
        )
        connection.execute(upsert)
        connection.rollback()
        changed = connection.execute(sa.update(ACCOUNTS).values(balance=0).where(ACCOUNTS.c.number < 10))
        assert changed.rowcount == 10
        assert connection.execute(total).scalar_one() == 0


def test_streaming_needs_a_cursor_which_dsql_refuses(plain: sa.Engine) -> None:
    numbers = sa.text("SELECT n FROM generate_series(1, 5000) n")
    with plain.connect() as connection:
        with pytest.raises(sa.exc.NotSupportedError, match="DeclareCursor"):
            connection.execution_options(stream_results=True).execute(numbers)
        connection.rollback()
    with plain.connect() as connection:
        assert [len(part) for part in connection.execute(numbers).partitions(2000)] == [2000, 2000, 1000]


def test_orm_session(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        ann = Owner(name="ann", accounts=[Account(number=2, balance=20), Account(number=1, balance=10)])
        session.add(ann)
        session.commit()
        assert isinstance(ann.id, uuid.UUID)
    with orm.Session(engine) as session:
        query = sa.select(Owner).options(orm.selectinload(Owner.accounts)).where(Owner.name == "ann")
        found = session.execute(query).scalar_one()
        assert {each.number: int(each.balance) for each in found.accounts} == {1: 10, 2: 20}
        found.accounts[0].balance -= 5
        session.delete(found.accounts[1])
        session.commit()
        assert session.scalars(sa.select(Account.balance)).one() == 5
        session.add(Owner(name="ann"))
        with pytest.raises(sa.exc.IntegrityError, match="owners_name_key"):
            session.commit()


def test_orm_session_that_loses_is_rolled_back_and_tried_again(engine: sa.Engine) -> None:
    with orm.Session(engine) as setup:
        setup.add(Owner(name="ann", accounts=[Account(number=1, balance=10)]))
        setup.commit()
    with orm.Session(engine) as one, orm.Session(engine) as other:
        for session in (one, other):
            session.get_one(Account, 1).balance += 1
        other.commit()
        with pytest.raises(sa.exc.OperationalError) as failure:
            one.commit()
        assert isinstance(failure.value.orig, psycopg.errors.SerializationFailure)
        one.rollback()
        one.get_one(Account, 1).balance += 1
        one.commit()
        assert one.get_one(Account, 1).balance == 12


def test_row_lock(dsql: LocalCluster, plain: sa.Engine) -> None:
    with orm.Session(plain) as setup:
        setup.add(Owner(name="ann", accounts=[Account(number=1, balance=10)]))
        setup.commit()
    with orm.Session(plain) as session:
        session.execute(sa.select(Account).where(Account.number == 1).with_for_update()).scalar_one()
        session.execute(sa.update(Owner).values(name="bob"))
        with psycopg.connect(dsql.dsn("us-east-2"), autocommit=True) as other:
            other.execute("UPDATE accounts SET balance = 0")
        with pytest.raises(sa.exc.OperationalError, match="OC000"):
            session.commit()


def test_inspection(plain: sa.Engine) -> None:
    inspector = sa.inspect(plain)
    assert sorted(inspector.get_table_names()) == ["accounts", "owners"]
    assert [column["name"] for column in inspector.get_columns("accounts")] == [
        "number",
        "balance",
        "owner_id",
    ]
    assert inspector.get_pk_constraint("accounts")["constrained_columns"] == ["number"]
    assert inspector.get_foreign_keys("accounts")[0]["referred_table"] == "owners"
    assert [index["name"] for index in inspector.get_unique_constraints("owners")] == ["owners_name_key"]


def test_index_of_the_dialect_for_dsql_is_built_in_the_background(
    dsql: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = sa.MetaData()
    sa.Table(
        "t", metadata, sa.Column("id", sa.Uuid, primary_key=True), sa.Column("name", sa.Text, index=True)
    )
    engine = aws_engine(dsql, monkeypatch)
    metadata.create_all(engine)
    with psycopg.connect(dsql.dsn(), autocommit=True) as connection:
        (job,) = connection.execute("SELECT job_id FROM sys.jobs").fetchone() or ("",)
        connection.execute("CALL sys.wait_for_job(%s)", (job,))
    with engine.connect() as connection:
        assert connection.execute(
            sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_t_name'::regclass")
        ).scalar_one()
    engine.dispose()


@pytest.mark.parametrize("times", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_a_schema_with_indexes_and_its_fixtures_in_one_session(
    dsql: LocalCluster, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Tables, asynchronous indexes and rows one right behind the other never meet the session's own index jobs."""
    metadata = sa.MetaData()
    tables = [
        sa.Table(
            f"shelf{number}",
            metadata,
            sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("n", sa.Integer, index=True),
            sa.Column("name", sa.Text, unique=True),
        )
        for number in range(6)
    ]
    engine = aws_engine(dsql, monkeypatch)
    for _ in range(times):
        with engine.connect() as connection:
            metadata.create_all(connection)
            for table in tables:
                connection.execute(sa.insert(table), [{"id": n, "n": n, "name": str(n)} for n in range(9)])
                connection.execute(sa.update(table).values(n=table.c.n + 1))
            connection.commit()
            metadata.drop_all(connection)
            connection.commit()
    engine.dispose()
    assert dsql.conflicts() == ()
