"""Tags that CloudFormation or a tagged service refuses."""

from __future__ import annotations

import aws_cdk as cdk
import pytest

from blocks import AtomicTable, ConstructError, DistributedDatabase

REFUSED = {
    "reserved": ({"aws:x": "v"}, "reserved"),
    "reserved in capitals": ({"AWS:x": "v"}, "reserved"),
    "empty key": ({"": "v"}, "1 to 128 characters"),
    "long key": ({"k" * 129: "v"}, "1 to 128 characters, and this one 129"),
    "long value": ({"k": "v" * 257}, "at most 256 characters, and this one 257"),
    "sign in a key": ({"a#b": "v"}, "'#' is not allowed"),
    "sign in a value": ({"k": "a;b"}, "';' is not allowed"),
    "line end": ({"k": "a\nb"}, r"'\n' is not allowed"),
    "too many": ({f"k{n}": "v" for n in range(51)}, "at most 50"),
}
ACCEPTED: dict[str, dict[str, str]] = {
    "limits": {"k" * 128: "v" * 256},
    "letters and signs": {"Tëam 1_.:/=+-@": "größe 1_.:/=+-@", "店": "東京"},
    "a prefix within": {"x-aws:": "aws:"},
    "many": {f"k{n}": "v" for n in range(50)},
}


@pytest.mark.parametrize("construct", [DistributedDatabase, AtomicTable])
@pytest.mark.parametrize(("tags", "why"), REFUSED.values(), ids=REFUSED)
def test_a_tag_that_no_service_takes(
    stack: cdk.Stack,
    construct: type[DistributedDatabase | AtomicTable],
    tags: dict[str, str],
    why: str,
) -> None:
    with pytest.raises(ConstructError, match=r"^tags has ") as refused:
        construct(stack, "main", tags=tags)
    assert why in refused.value.why


@pytest.mark.parametrize("construct", [DistributedDatabase, AtomicTable])
@pytest.mark.parametrize("tags", ACCEPTED.values(), ids=ACCEPTED)
def test_a_tag_within_the_limits(
    stack: cdk.Stack, construct: type[DistributedDatabase | AtomicTable], tags: dict[str, str]
) -> None:
    construct(stack, "main", tags=tags)


@pytest.mark.parametrize(
    ("tags", "why"),
    [({"team": ""}, "the value is empty"), ({"Team": "a", "team": "b"}, "may not differ in case only")],
)
def test_limits_of_a_cluster_and_of_roles_are_none_of_a_table(
    stack: cdk.Stack, tags: dict[str, str], why: str
) -> None:
    AtomicTable(stack, "locks", tags=tags)
    with pytest.raises(ConstructError) as refused:
        DistributedDatabase(stack, "main", tags=tags)
    assert why in refused.value.why


def test_a_value_that_is_known_at_deploy_passes(stack: cdk.Stack) -> None:
    stage = cdk.CfnParameter(stack, "Stage").value_as_string
    DistributedDatabase(
        stack, "main", tags={"stage": cdk.Fn.join("#", [stage] * 300), "x": cdk.Aws.STACK_NAME}
    )
