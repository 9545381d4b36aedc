"""Checks of constructor arguments: their names and their types.

Most mistakes are a number for a `Size`, a text for an enum, an L1 for an L2. Unchecked they surface later, as an
AttributeError in this library or an error of jsii.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import os
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from aws_cdk import Duration, RemovalPolicy, Size, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from blocks.bundling.target import DEFAULT_PYTHON
from blocks.shared.errors import ConstructError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Kind:
    """Expected type of an argument: its name in words, an example in code, and a check."""

    what: str
    example: str
    fits: Callable[[object], bool]


def checked(
    kinds: Mapping[str, Kind], further: Iterable[str] = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that raises ConstructError for a keyword argument of another kind, or an unknown one.

    `further` are the names that a function takes as `**options`.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        known = {*_named_parameters(function), *further}

        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in kwargs:
                if name not in known:
                    raise _unknown(name, known)
            check(kinds, kwargs)
            return function(*args, **kwargs)

        return called

    return decorate


_CALLED_ELSEWHERE = {
    "kms_key": "encryption_key",
    "kms_encryption_key": "encryption_key",
    "policy_document": "resource_policy",
    "cluster_name": "tags",
    "cluster": "cluster_identifier",
}
"""Options by the names that CloudFormation or other constructs have for them."""


def _named_parameters(function: Callable[..., object]) -> list[str]:
    signature = inspect.signature(function)
    return [each.name for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]


def _unknown(name: str, known: set[str]) -> ConstructError:
    options = sorted(known - {"self", "scope", "id"})
    return ConstructError(
        f"there is no option {name}",
        f"the options are {', '.join(options)}",
        f"did you mean {near}?" if (near := _nearest(name, options)) else "leave it out, or use one of these",
    )


def _nearest(name: str, options: Sequence[str]) -> str | None:
    """Return the option that `name` probably means: by its other name, with `migrator_`, or spelt alike."""
    candidates = [_CALLED_ELSEWHERE.get(name, ""), f"migrator_{name}"]
    beginning = [each for each in options if name.startswith(f"{each}_")]
    alike = difflib.get_close_matches(name, options, 1)
    return next((each for each in [*candidates, *beginning, *alike] if each in options), None)


def check(kinds: Mapping[str, Kind], values: Mapping[str, object]) -> None:
    """Check values by their names; None is the default and passes.

    Raises:
        ConstructError: one is of another kind.
    """
    required({name: kind for name, kind in kinds.items() if values.get(name) is not None}, values)


def required(kinds: Mapping[str, Kind], values: Mapping[str, object]) -> None:
    """Check values without a default by their names; None does not pass.

    Raises:
        ConstructError: one is of another kind, or missing.
    """
    for name, kind in kinds.items():
        value = values.get(name)
        if not kind.fits(value):
            raise ConstructError(
                f"{name} is {_described(value)}", f"it must be {kind.what}", f"write {name}={kind.example}"
            )


def one_of(*types: type) -> Callable[[object], bool]:
    """Return a check for instances of the types."""
    return lambda value: isinstance(value, types)


def with_attribute(name: str) -> Callable[[object], bool]:
    """Return a check for constructs of an interface: those with an attribute."""
    return lambda value: hasattr(value, name)


def _described(value: object) -> str:
    kind = type(value)
    return (
        f"{reprlib.repr(value)} ({kind.__name__})"
        if kind.__module__ == "builtins"
        else f"of type {kind.__name__}"
    )


def _is_folder(value: object) -> bool:
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    return isinstance(path, str) and path != "" and not Token.is_unresolved(path)


def _is_count(value: object) -> bool:
    """Return whether a value is a whole number; a token is a float until deploy."""
    return Token.is_unresolved(value) or (isinstance(value, int) and not isinstance(value, bool))


def _is_python(value: object) -> bool:
    return isinstance(value, lambda_.Runtime) and value.family is lambda_.RuntimeFamily.PYTHON


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_tags(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(each, str) for pair in value.items() for each in pair
    )


def _is_switch(value: object) -> bool:
    return isinstance(value, bool) or Token.is_unresolved(value)


CONSTRUCT = Kind("a construct", "service", with_attribute("node"))
COUNT = Kind("a whole number", "1", _is_count)
DATABASE_OR_TABLE: Mapping[str, Kind] = {
    "scope": Kind("the parent construct", "self", with_attribute("node")),
    "id": Kind("text, the name in application code", '"main"', one_of(str)),
}
"""Scope and id of a block."""
DAYS = Kind("a Duration", "Duration.days(35)", one_of(Duration))
FOLDER = Kind("the path of a folder, known at synth", '"migrations/"', _is_folder)
KEY = Kind("a KMS key", 'kms.Key(self, "Key")', with_attribute("key_arn"))
LOG_GROUP = Kind("a log group", 'logs.LogGroup(self, "Log")', with_attribute("log_group_arn"))
POLICY = Kind("an iam.PolicyDocument", "iam.PolicyDocument(statements=[…])", one_of(iam.PolicyDocument))
REMOVAL_POLICY = Kind("a RemovalPolicy", "RemovalPolicy.DESTROY", one_of(RemovalPolicy))
ROLE = Kind("an IAM role", 'iam.Role(self, "Role", …)', with_attribute("role_arn"))
SWITCH = Kind("True or False", "True", _is_switch)
TAGS = Kind("names and values", '{"team": "payments"}', _is_tags)

FUNCTION: Mapping[str, Kind] = {
    "runtime": Kind(
        "a Python runtime of Lambda", f"lambda_.Runtime.PYTHON_{DEFAULT_PYTHON.replace('.', '_')}", _is_python
    ),
    "architecture": Kind(
        "a lambda_.Architecture", "lambda_.Architecture.ARM_64", one_of(lambda_.Architecture)
    ),
    "memory": Kind("a Size", "Size.mebibytes(512)", one_of(Size)),
    "timeout": Kind("a Duration", "Duration.minutes(15)", one_of(Duration)),
    "service_timeout": Kind("a Duration", "Duration.minutes(30)", one_of(Duration)),
    "log_group": LOG_GROUP,
    "role": ROLE,
    "tracing": Kind("a lambda_.Tracing", "lambda_.Tracing.ACTIVE", one_of(lambda_.Tracing)),
    "reserved_concurrency": COUNT,
    "vpc": Kind("a VPC", 'ec2.Vpc(self, "Vpc")', with_attribute("vpc_id")),
    "security_groups": Kind(
        "a list of security groups", '[ec2.SecurityGroup(self, "Group", vpc=vpc)]', _is_list
    ),
}
"""Options of a function."""

MIGRATOR: Mapping[str, Kind] = {f"migrator_{name}": kind for name, kind in FUNCTION.items()}
"""The same with the names that a database has for them."""
