"""The state files: save, load, and errors for files that cannot be read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from blocks_cli.errors import CommandError
from blocks_cli.local.state import DeployedResource, StackState, StateFolder

if TYPE_CHECKING:
    from pathlib import Path

RESOURCE = DeployedResource(
    "Fn",
    "AWS::Lambda::Function",
    "S/Fn",
    "S-Fn-1",
    properties={"Environment": {"Variables": {"BLOCKS_MAIN_ENDPOINT": "localhost:5001"}}},
    attributes={"Arn": "arn:1"},
    depends_on=("Role",),
    retained=True,
    local={"code": "abc"},
)
STATE = StackState("S", "us-east-1", "000000000000", {"Fn": RESOURCE}, (RESOURCE,), {"O": "v"}, {"E": 1})


def test_a_saved_state_is_loaded(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "stacks")
    assert folder.load() == {}
    folder.save(STATE)
    assert folder.load() == {"S": STATE}
    assert [file.name for file in (tmp_path / "stacks").iterdir()] == ["S.json"], "no temporary file is left"
    folder.remove("S")
    assert folder.load() == {}


@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        ("{", "is damaged", "or remove it and deploy again"),
        ('{"format": 1}', "is damaged", "or remove it and deploy again"),
        ('{"format": 99}', "unsupported format 99", "run `blocks destroy --local --purge`"),
    ],
    ids=["cut short", "incomplete", "from the future"],
)
def test_an_unreadable_file_is_refused_and_kept(tmp_path: Path, content: str, what: str, remedy: str) -> None:
    file = tmp_path / "S.json"
    file.write_text(content)
    with pytest.raises(CommandError, match=what) as refusal:
        StateFolder(tmp_path).load()
    assert remedy in refusal.value.remedy
    assert file.read_text() == content


def test_a_moved_endpoint_is_replaced_everywhere() -> None:
    moved = STATE.renamed({"localhost:5001": "localhost:6002"})
    assert "localhost:5001" not in json.dumps(moved.resources["Fn"].properties)
    assert moved.resources["Fn"].properties == {
        "Environment": {"Variables": {"BLOCKS_MAIN_ENDPOINT": "localhost:6002"}}
    }
    assert STATE.renamed({}) is STATE
