"""Checks of the templates of every option and example by cdk-nag, cfn-lint and CDK's own validator.

One process makes them all, because it takes a quarter of a minute; there CDK's validator is on.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from blocks import DistributedDatabase
from blocks.shared.acknowledgments import REASONS
from blocks_settings.cache_folder import VARIABLE, cache_folder
from tests.support.every_option import OPTIONS, SPECIAL, build, name_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "construct.md"
TWO_REGIONS = ("HotelOhio", "HotelVirginia")
WORLDSEAT = ("WorldSeatOhio", "WorldSeatVirginia")
EXAMPLES = (
    *("BankStack", "LimitsStack", "WorkerStack", "PlatformStack", "NotesStack"),
    *(*TWO_REGIONS, *WORLDSEAT),
)
STACKS = [*(name_of(each) for each in (*OPTIONS, *SPECIAL)), *EXAMPLES]
OF_THE_CDK = ("manifest.json", ".metadata.json", "validation-report.json")
IN_DOCS = re.compile(r"^\| `(\w+)` \| ([^|]+) \|", re.MULTILINE)


@dataclass(frozen=True)
class Made:
    """The folder with the assemblies `all` and `bare`, and what their making said."""

    folder: Path
    said: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Another process makes them: without network, from wheels alone, with other hashes and another time zone."""
    folder = tmp_path_factory.mktemp("quality")
    (folder / "cache").mkdir()
    (folder / "cache" / "wheels").symlink_to(cache_folder() / "wheels")
    environment = {name: value for name, value in os.environ.items() if name != "CDK_VALIDATION"}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.support.offline", "tests.support.every_option", str(folder)],
        cwd=ROOT,
        env=environment
        | {
            VARIABLE: str(folder / "cache"),
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
            "PYTHONHASHSEED": "7",
            "TZ": "Asia/Tokyo",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return Made(folder, ran.stdout)


def findings(made: Made, app: str) -> set[tuple[str, str]]:
    """Return what was found in one app, as (rule, path of the construct)."""
    report = json.loads((made.folder / app / "validation-report.json").read_text(encoding="utf-8"))
    return {
        (violation["ruleName"], construct["constructPath"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    }


def templates(made: Made, app: str = "all") -> dict[str, str]:
    return {
        path.name.removesuffix(".template.json"): path.read_text(encoding="utf-8")
        for path in (made.folder / app).glob("*.template.json")
    }


def test_a_warm_cache_needs_no_network(made: Made) -> None:
    if made.said.startswith("online"):
        pytest.skip("this system does not let a process leave its network")
    assert made.said.startswith("offline\n")
    assert list((made.folder / "all").glob("asset.*/python/psycopg/__init__.py"))


def test_synthesizing_here_gives_the_same_bytes(made: Made, assembly: Path) -> None:
    """Every template and every asset, layers of all targets among them."""
    here = assembly.parent / "same"
    build(here).synth()
    assert differences(here, made.folder / "all") == []


def differences(one: Path, other: Path) -> list[str]:
    """Return the files that are not the same in two assemblies.

    Left out is where the CDK itself writes of its process: context, traces of its warnings, reports.
    """
    names = {
        str(path.relative_to(root))
        for root in (one, other)
        for path in root.rglob("*")
        if path.is_file() and not path.name.endswith(OF_THE_CDK)
    }
    return sorted(name for name in names if not is_same(one / name, other / name))


def is_same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def test_every_option_and_every_example_is_included(made: Made) -> None:
    assert sorted(templates(made)) == sorted(STACKS)
    apps = {path.parent.name for path in (ROOT / "examples").glob("*/app.py")} | {"bank"}
    assert apps == {"bank", "ecs", "existing_cluster", "rate_limit", "two_regions", "worldseat"}, (
        "put the example into the catalogue"
    )
    alone = {*OPTIONS, "multi_region", "private_endpoint", "migrator_vpc_subnets", "migrator_security_groups"}
    assert alone == set(inspect.signature(DistributedDatabase.__init__).parameters) - {"self", "scope", "id"}


def test_neither_awssolutions_nor_the_cdk_find_anything(made: Made) -> None:
    packs = ("HIPAA.Security-", "Serverless-")
    assert {finding for finding in findings(made, "all") if not finding[0].startswith(packs)} == set()


def test_every_acknowledgment_is_needed(made: Made) -> None:
    found = {rule for rule, _ in findings(made, "bare") if rule.startswith("AwsSolutions-")}
    assert found == set(REASONS)
    # The validator was on: it saw the one mistake.
    assert ("F3002", "Spoilt/main/Resource") in findings(made, "bare")
    used = {rule for text in templates(made).values() for rule in REASONS if REASONS[rule][:40] in text}
    assert used == set(REASONS)


def ours(made: Made, stack: str) -> set[str]:
    return {
        rule.partition("-")[2] for rule, path in findings(made, "all") if path.startswith(f"{stack}/main/")
    }


def test_findings_of_other_packs_are_explained_in_the_docs(made: Made) -> None:
    answered = dict(IN_DOCS.findall(DOCS.read_text(encoding="utf-8").partition("### Other cdk-nag packs")[2]))
    assert ours(made, name_of("nothing")) == set(answered)
    stays = {rule for rule, answer in answered.items() if answer.strip() == "stays"}
    assert ours(made, name_of("hardened")) == stays


def test_cfn_lint_finds_nothing(made: Made) -> None:
    # W3005: CDK's own Function names its role under DependsOn as well as under Role.
    command = ["-c", "import sys; from cfnlint.runner import main; sys.exit(main())"]
    options = ["--regions", "us-east-1", "--ignore-checks", "W3005", "--format", "parseable"]
    files = sorted(map(str, (made.folder / "all").glob("*.template.json")))
    ran = subprocess.run(
        [sys.executable, *command, *options, "--", *files], capture_output=True, text=True, check=False
    )
    assert ran.stderr == ""
    # cfn-lint 1.58 does not know what the CDK writes for an output of a stack in another Region.
    assert [line for line in ran.stdout.splitlines() if "'Fn::GetStackOutput'" not in line] == []


def test_no_template_names_a_partition_region_or_account(made: Made) -> None:
    for name, text in templates(made).items():
        assert not re.search(r"arn:aws[a-z-]*:", text), name
        if name in (*TWO_REGIONS, *WORLDSEAT):  # two Regions are named, and so is the account
            continue
        assert not re.search(r"\b(us|eu|ap)-[a-z]+-\d\b", text), name
        assert not re.search(r"(?<![0-9a-f])\d{12}(?![0-9a-f])", text), name


def test_there_is_no_password_and_no_secret(made: Made) -> None:
    for name, text in templates(made).items():
        assert not re.search(r"password|SecretString|AWS::SecretsManager", text, re.IGNORECASE), name
