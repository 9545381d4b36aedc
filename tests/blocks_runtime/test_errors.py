"""The error tree: classified by SQLSTATE, picklable, as drawn in its docstring."""

from __future__ import annotations

import inspect
import pickle

import psycopg
import pytest

from blocks_runtime import errors
from blocks_runtime.database.classification import translate
from blocks_runtime.errors import DatabaseError, DistributedDatabaseErrors, is_blocks_error

CLASSES = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, DatabaseError)]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (errors.SerializationFailure, DistributedDatabaseErrors.SerializationFailure),
        (errors.UniqueConstraintViolation, DistributedDatabaseErrors.UniqueConstraintViolation),
        (errors.TransactionRowLimitExceeded, DistributedDatabaseErrors.TransactionRowLimitExceeded),
        (errors.AccessDenied, DistributedDatabaseErrors.ConnectionFailed),
        (errors.CommitOutcomeUnknown, DistributedDatabaseErrors.TransactionFailed),
        (errors.CheckViolation, DistributedDatabaseErrors.QueryFailed),
    ],
)
def test_names_of_blocks_for_typescript(kind: type[DatabaseError], name: str) -> None:
    assert is_blocks_error(kind("x"), name)
    assert not is_blocks_error(ValueError("x"), name)
    assert name.endswith("Exception")


def test_a_lost_connection_takes_precedence_over_the_servers_last_message() -> None:
    assert type(translate(psycopg.OperationalError("half a message"), lost=True)) is errors.ConnectionFailed


@pytest.mark.parametrize("kind", CLASSES)
def test_picklable(kind: type[DatabaseError]) -> None:
    error = kind("what", sqlstate="40001", detail="d", constraint="c", table="t", retryable=True)
    error.attempts = 4
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert vars(again) == vars(error)
    way_out = f"; {kind.advice}" if kind.advice else ""
    assert str(again) == str(error)
    assert str(again).splitlines()[0] == f"what (SQLSTATE 40001) after 4 attempts{way_out}"


STATUSES: dict[int, set[type[DatabaseError]]] = {
    404: {errors.NoResultFound},
    409: {
        *(errors.UniqueConstraintViolation, errors.ForeignKeyViolation, errors.SerializationFailure),
        *(errors.RaceCondition, errors.LeaseHeld, errors.LeaseLost, errors.MessageLost, errors.OnceMismatch),
    },
    503: {
        *(errors.ConnectionFailed, errors.ConnectionLimitExceeded),
        *(errors.ServerUnavailable, errors.Throttled, errors.DeadlineExceeded),
    },
}


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_an_http_status(kind: type[DatabaseError]) -> None:
    expected = next((status for status, kinds in STATUSES.items() if kind in kinds), 500)
    assert kind("x").status == expected


def test_the_drawn_tree_matches_the_classes() -> None:
    """Indentation in the module's docstring says who descends from whom; compare with the classes."""
    drawn: list[tuple[str, str]] = []
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.strip(" │├└─").split(" ")[0]
        if not hasattr(errors, name) or not line.startswith("    "):
            continue
        depth = line.index(name)
        above = [each for each in above if each[0] < depth]
        drawn.append((name, above[-1][1] if above else "Exception"))
        above.append((depth, name))
    assert sorted(drawn) == sorted((each.__name__, each.__mro__[1].__name__) for each in CLASSES)
