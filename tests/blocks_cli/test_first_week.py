"""States of a project that a new user meets in the first days: each is a clear error with its remedy, or works."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.lambda_.code_store import CodeStore
from blocks_cli.local.checks import check_regions
from blocks_cli.local.state import StackState
from blocks_cli.main import main
from blocks_cli.synth_errors import app_error
from dsql_dialect.profiles import DEFAULT, RECORDED
from local_dsql import LocalCluster
from local_dsql.cli.commands import main as local_dsql
from local_dsql.errors import FolderError, ServerError
from tests.support.handler_app import HandlerApp
from tests.support.lambda_functions import THIS_PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks_cli.json_value import Json

ACCOUNTS = "CREATE TABLE accounts (id uuid PRIMARY KEY, owner text);\n"


class Shell:
    """Runs both commands in the folder of a project."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.local = folder / ".blocks" / "local" / "main"
        self._capture = capture

    def blocks(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr of `blocks`."""
        with pytest.raises(SystemExit) as ended:
            main([*arguments])
        return self._ended(ended.value)

    def local_dsql(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr of `local-dsql`."""
        with pytest.raises(SystemExit) as ended:
            local_dsql([*arguments], "local-dsql")
        return self._ended(ended.value)

    def _ended(self, exit: SystemExit) -> tuple[int, str, str]:
        out, err = self._capture.readouterr()
        assert "Traceback" not in err
        return int(exit.code or 0), out, err


@pytest.fixture
def shell(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    (tmp_path / "cdk.json").write_text("{}")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "001_accounts.sql").write_text(ACCOUNTS)
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, capfd)


@pytest.fixture
def used(shell: Shell) -> Iterator[Shell]:
    """A project whose database was migrated; the server has ended."""
    assert shell.blocks("up")[0] == ExitCode.OK
    yield shell


def can_mount() -> bool:
    """Return whether this user may mount a file system in a namespace of its own."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", tempfile.gettempdir()]
    return bool(shutil.which("unshare")) and subprocess.run(command, capture_output=True).returncode == 0


def is_explained(err: str) -> bool:
    """Return whether the last lines are an error in three parts."""
    lines = err.splitlines()
    starts = [line[:6] for line in lines if line.startswith(("error:", "  why:", "  do: "))]
    return starts[-3:] == ["error:", "  why:", "  do: "]


READING = {
    "status": [],
    "plan": [],
    "schema": [],
    "verify": [],
    "baseline": [],
    "repair": ["001_accounts", "--applied"],
    "lint": [],
    "config": [],
    "clean": ["--dry-run"],
    "invoke": ["Orders"],
    "logs": [],
    "destroy": ["--local"],
}


@pytest.mark.parametrize("command", READING)
def test_a_reading_command_creates_nothing(shell: Shell, command: str) -> None:
    before = sorted(shell.folder.rglob("*"))
    code, _, err = shell.blocks(command, *READING[command])
    assert sorted(shell.folder.rglob("*")) == before
    assert code in (ExitCode.OK, ExitCode.USAGE)
    assert code == ExitCode.OK or is_explained(err)


@pytest.mark.parametrize("command", ["reset", "psql", "stop", "status", "inject", "conflicts"])
def test_no_command_of_local_dsql_but_start_creates_a_folder(shell: Shell, command: str) -> None:
    missing = shell.folder / "typo" / "x"
    code, _, err = shell.local_dsql(command, "--path", str(missing))
    assert not missing.parent.exists()
    assert code in (ExitCode.OK, ExitCode.USAGE, ExitCode.CANNOT_CONNECT)
    assert code == ExitCode.OK or command == "status" or is_explained(err)


def test_a_mistyped_database_is_not_created(used: Shell) -> None:
    code, _, err = used.blocks("status", "--database", "mainn")
    assert (code, is_explained(err)) == (ExitCode.USAGE, True)
    assert "did you mean --database main?" in err
    code, _, err = used.blocks("status", "--database", "../../etc")
    assert (code, "is not the id of a database" in err) == (ExitCode.USAGE, True)
    assert [each.name for each in (used.folder / ".blocks" / "local").iterdir()] == ["main"]


DAMAGES = {
    "built.json": "garbage",
    "cluster.json": "garbage",
    "identities.json": "garbage",
    "server.json": "garbage",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_record_costs_no_data(used: Shell, name: str) -> None:
    file = used.local / name
    kept = file.read_bytes() if file.exists() else None
    file.write_text(DAMAGES[name])
    code, _, err = used.blocks("status")
    assert code == ExitCode.OK or (code == ExitCode.CANNOT_CONNECT and is_explained(err) and name in err)
    file.unlink(missing_ok=True)
    if kept is not None:
        file.write_bytes(kept)
    assert "applied" in used.blocks("status")[1]


def test_every_command_words_a_damaged_state_file_alike(used: Shell) -> None:
    stacks = used.folder / ".blocks" / "stacks"
    stacks.mkdir()
    (stacks / "Shop.json").write_text("garbage")
    told = {}
    for command in (["invoke", "Orders"], ["clean"], ["status"], ["config"], ["deploy", "--local"]):
        code, _, err = used.blocks(*command)
        assert (code, is_explained(err)) == (ExitCode.USAGE, True)
        told[command[0]] = err[err.index("error:") :]
    assert len(set(told.values())) == 1, told
    assert "the databases keep their rows" in told["clean"]
    (stacks / "Shop.json").unlink()
    assert "applied" in used.blocks("status")[1]


def test_a_missing_build_record_costs_no_data(used: Shell) -> None:
    kept = (used.local / "built.json").read_bytes()
    (used.local / "built.json").unlink()
    code, _, err = used.blocks("status")
    assert (code, is_explained(err)) == (ExitCode.CANNOT_CONNECT, True)
    assert "built.json" in err
    (used.local / "built.json").write_bytes(kept)
    assert "applied" in used.blocks("status")[1]


def test_a_database_whose_data_was_removed_is_another_cluster(tmp_path: Path) -> None:
    with LocalCluster(tmp_path) as cluster:
        before = cluster.identifier
    shutil.rmtree(tmp_path / "data")
    with LocalCluster(tmp_path) as cluster:
        assert cluster.identifier != before, "a deploy recognizes it, and creates everything again"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ca.pem", "tls/server.key", "tls/server.pem", "tls/ca.key", "tls/validity.json"]
)
def test_a_damaged_certificate_is_renewed(used: Shell, name: str) -> None:
    (used.local / name).write_text("garbage")
    code, out, err = used.blocks("status")
    assert (code, "applied" in out) == (ExitCode.OK, True), err


def test_a_certificate_that_is_damaged_while_the_server_runs_is_renewed(used: Shell) -> None:
    with LocalCluster(used.local):
        (used.local / "ca.pem").write_text("garbage")
        assert used.blocks("status")[0] == ExitCode.OK


@pytest.mark.slow
def test_git_ignores_all_local_files(used: Shell) -> None:
    subprocess.run(["git", "init", "-q", "."], cwd=used.folder, check=True)
    assert used.blocks("verify")[0] == ExitCode.OK
    told = subprocess.run(
        ["git", "status", "--porcelain"], cwd=used.folder, capture_output=True, text=True, check=True
    )
    assert ".blocks" not in told.stdout


@pytest.mark.slow
def test_baseline_follows_a_refused_migration(used: Shell) -> None:
    (used.folder / "migrations" / "002_again.sql").write_text(
        "CREATE TABLE accounts (id uuid PRIMARY KEY);\n"
    )
    code, _, err = used.blocks("up")
    assert (code, "blocks baseline" in err) == (ExitCode.MIGRATION_FAILED, True)
    code, _, err = used.blocks("baseline")
    assert (code, "applied migrations already" in err) == (ExitCode.USAGE, True), "001 is applied"
    assert used.blocks("repair", "001_accounts", "--pending")[0] == ExitCode.OK
    assert used.blocks("repair", "002_again", "--pending")[0] == ExitCode.OK
    assert used.blocks("baseline")[0] == ExitCode.OK


@pytest.mark.slow
def test_every_command_speaks_the_dialect_of_the_settings(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shell.folder / "migrations" / "002_json.sql").write_text("ALTER TABLE accounts ADD COLUMN data jsonb;\n")
    code, _, err = shell.blocks("plan")
    assert (code, f'dialect = "{RECORDED.name}" under [tool.blocks] in pyproject.toml' in err) == (
        ExitCode.USAGE,
        True,
    )
    (shell.folder / "pyproject.toml").write_text(f'[tool.blocks]\ndialect = "{RECORDED.name}"\n')
    for command in ("lint", "plan", "up", "verify"):
        code, _, err = shell.blocks(command)
        assert code == ExitCode.OK, err
    with LocalCluster(shell.local) as cluster:
        assert cluster.status.dialect == RECORDED.name
    monkeypatch.setenv("BLOCKS_DIALECT", DEFAULT.name)
    with LocalCluster(shell.local) as cluster:
        assert cluster.status.dialect == DEFAULT.name
    _, out, _ = shell.blocks("config", "--json")
    dialect = json.loads(out)["settings"]["dialect"]
    assert dialect == {"value": DEFAULT.name, "source": "environment", "place": "BLOCKS_DIALECT"}


OTHER_REGIONS = {
    "eu-west-1": "deploy with --region us-east-1, or run `blocks destroy --local` first",
    "us-est-1": "did you mean us-east-1? Deploy with --region us-east-1",
    "us-wast-2": "did you mean us-west-2? Deploy with --region us-east-1",
    "mars-north-1": "deploy with --region us-east-1; no Region with Aurora DSQL is called mars-north-1",
}
"""Remedy by the Region of a second deploy."""


@pytest.mark.parametrize("region", OTHER_REGIONS)
def test_a_stack_in_another_region_is_refused(region: str) -> None:
    states = {"Shop": StackState("Shop", "us-east-1", "000000000000")}
    check_regions(states, {"Shop": "us-east-1", "New": region})
    with pytest.raises(CommandError, match=f"its Region was us-east-1, not {region}") as caught:
        check_regions(states, {"Shop": region})
    assert caught.value.remedy.startswith(OTHER_REGIONS[region])


@pytest.mark.parametrize("region", ["mars-1", "us_east_1", "us-east1"])
def test_a_wrong_region_is_refused_before_the_synth(shell: Shell, region: str) -> None:
    code, _, err = shell.blocks("deploy", "--local", "--region", region, "--app", "sleep 60")
    assert (code, is_explained(err)) == (ExitCode.USAGE, True)
    assert "is not a Region name" in err


@pytest.mark.slow
def test_a_taken_port_is_told_and_used_again_later(tmp_path: Path) -> None:
    with LocalCluster(tmp_path) as cluster:
        usual = cluster.status.ports["us-east-1"]
    with socket.create_server(("127.0.0.1", usual)), LocalCluster(tmp_path) as cluster:
        (told,) = cluster.status.moves()
        assert f"its port {usual}" in told
    with LocalCluster(tmp_path) as cluster:
        assert (cluster.status.ports["us-east-1"], cluster.status.moves()) == (usual, [])


@pytest.mark.slow
def test_a_fixed_port_is_kept_or_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {number} is not free"):
            LocalCluster(tmp_path, port=number).start()
    with LocalCluster(tmp_path, port=number) as cluster:
        assert cluster.endpoint() == f"localhost:{number}"


CLUSTER: Json = {
    "Type": "AWS::DSQL::Cluster",
    "Properties": {"DeletionProtectionEnabled": False},
    "Metadata": {"aws:cdk:path": "S/main/Cluster"},
}


FUNCTION: dict[str, Json] = {
    "Role": {"Type": "AWS::IAM::Role", "Properties": {}},
    "Answer": {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {"ZipFile": "def handler(event, context): return 42"},
            "Handler": "index.handler",
            "Runtime": THIS_PYTHON,
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        },
    },
}


@pytest.mark.slow
def test_a_deploy_has_the_port_of_its_option(shell: Shell) -> None:
    assembly = HandlerApp(shell.folder).assembly({"S": {"Resources": {"main": CLUSTER}}})
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    options = ("deploy", "--local", "--assembly", str(assembly))
    code, out, err = shell.blocks(*options, "--port", str(number), "--json")
    assert code == ExitCode.OK, err
    assert json.loads(out)["clusters"][0]["endpoints"] == [f"localhost:{number}"]
    code, out, _ = shell.blocks(*options, "--json")
    assert json.loads(out)["clusters"][0]["endpoints"] == [f"localhost:{number}"], "it is kept"


@pytest.mark.slow
def test_a_database_that_was_replaced_is_deployed_again(shell: Shell) -> None:
    """Commands that use it name the remedy, which is right: the deploy makes everything again."""
    assembly = HandlerApp(shell.folder).assembly({"S": {"Resources": {**FUNCTION, "main": CLUSTER}}})
    options = ("deploy", "--local", "--assembly", str(assembly))
    assert shell.blocks(*options)[0] == ExitCode.OK
    shutil.rmtree(shell.local)
    code, _, err = shell.blocks("invoke", "Answer")
    assert (code, is_explained(err)) == (ExitCode.USAGE, True)
    assert "the local database is not the deployed one" in err
    assert "run `blocks deploy --local`" in err
    code, out, err = shell.blocks(*options, "--json")
    assert code == ExitCode.OK, err
    actions = {each["logicalId"]: each["action"] for each in json.loads(out)["stacks"]["S"]["changes"]}
    assert actions["main"] == "create"


@pytest.mark.slow
def test_invoke_after_a_reset_names_the_deploy(shell: Shell) -> None:
    assembly = HandlerApp(shell.folder).assembly({"S": {"Resources": {**FUNCTION, "main": CLUSTER}}})
    options = ("deploy", "--local", "--assembly", str(assembly))
    assert shell.blocks(*options)[0] == ExitCode.OK
    assert shell.local_dsql("reset", "--path", str(shell.local))[0] == ExitCode.OK
    code, _, err = shell.blocks("invoke", "Answer")
    assert (code, is_explained(err)) == (ExitCode.USAGE, True)
    assert "the database was reset since the deploy" in err
    assert "run `blocks deploy --local`" in err
    assert shell.blocks(*options)[0] == ExitCode.OK
    assert shell.blocks("invoke", "Answer")[:2] == (ExitCode.OK, "42\n")


def test_invoke_reads_the_stack_of_the_settings(shell: Shell) -> None:
    one: Json = {"Resources": FUNCTION}
    assembly = HandlerApp(shell.folder).assembly({"One": one, "Two": one})
    assert shell.blocks("deploy", "--local", "--assembly", str(assembly))[0] == ExitCode.OK
    assert "it matches One/Answer, Two/Answer" in shell.blocks("invoke", "Answer")[2]
    (shell.folder / "pyproject.toml").write_text('[tool.blocks]\nstack = "Two"\n')
    assert shell.blocks("invoke", "Answer")[:2] == (ExitCode.OK, "42\n")
    assert shell.blocks("invoke", "Answer", "--stack", "Three")[0] == ExitCode.USAGE


def test_a_file_of_another_user_names_the_owner(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from blocks_cli.file_errors import file_error

    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    error = file_error(FileExistsError(17, "File exists", shell.folder / ".blocks" / "cdk.out"))
    assert "belongs to root" in error.why
    assert "sudo chown -R 4242" in error.remedy


AS_ANOTHER_USER = """
import os, sys
import blocks_cli.commands.deploy, blocks_cli.error_conversion, blocks_cli.file_errors
from blocks_cli.main import main
os.setgroups([])
os.setgid(4242)
os.setuid(4242)
main(["deploy", "--local", "--app", "true"])
"""


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="switches the user")
@pytest.mark.parametrize("foreign", [".blocks", ".blocks/cdk.out"])
def test_an_assembly_of_another_user_names_the_owner(foreign: str) -> None:
    project = Path(tempfile.mkdtemp())  # the parents of tmp_path are private
    try:
        (project / "cdk.json").write_text("{}")
        output = project / ".blocks" / "cdk.out"
        output.mkdir(parents=True)
        (output / "manifest.json").write_text("{}")
        os.chown(project, 4242, 4242)
        if foreign != ".blocks":
            os.chown(project / ".blocks", 4242, 4242)
        program = [sys.executable, "-c", AS_ANOTHER_USER]
        ran = subprocess.run(program, cwd=project, capture_output=True, text=True, check=False)
        assert (ran.returncode, is_explained(ran.stderr)) == (ExitCode.USAGE, True), ran.stderr
        assert f"{project / foreign} belongs to root" in ran.stderr
        assert f"sudo chown -R 4242 {project / foreign}`" in ran.stderr
    finally:
        shutil.rmtree(project)


ON_A_FULL_DISK = """
set -e
python=$2
mount -t tmpfs -o size=20m tmpfs "$1" && cd "$1"
mkdir migrations && echo '{}' > cdk.json && echo 'CREATE TABLE t (id uuid PRIMARY KEY);' > migrations/001_t.sql
run() { "$python" -P -c 'import sys; from blocks_cli.main import main; main(sys.argv[1:])' "$1"; }
run up || echo "up $?" >&2
mount -o remount,size=200m "$1"
run up
"$python" -P -c 'from local_dsql.cluster import stop_server; stop_server(".blocks/local/main")'
dd if=/dev/zero of=ballast bs=4k status=none 2> ballast.txt || true
run status || echo "status $?" >&2
rm ballast
run status
"""


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace")
def test_a_full_disk_is_named_and_the_next_run_works(tmp_path: Path) -> None:
    command = ["unshare", "-rm", "bash", "-c", ON_A_FULL_DISK, "bash", str(tmp_path), sys.executable]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, "Traceback" in ran.stderr) == (0, False), ran.stderr
    first, _, second = ran.stderr.partition("applied 1 migration")
    failed = [(first, "up")]
    if "status " in second:  # PostgreSQL may find room in its own files
        failed.append((second, "status"))
    for output, name in failed:
        assert f"{name} {ExitCode.CANNOT_CONNECT.value}" in output
        assert "No space left on device" in output
        assert "free some space on the disk" in output
    assert ran.stderr.splitlines()[-1] == "1 applied"


def test_clean_keeps_data_and_what_is_deployed(used: Shell) -> None:
    stray = used.folder / ".blocks" / "cache" / "code" / "abc"
    compiled, logs = CodeStore(stray.parent).bytecode, used.folder / ".blocks" / "logs"
    for folder in (stray, compiled, logs):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x = 1\n" * 10_000)
    code, out, _ = used.blocks("clean", "--dry-run", "--json")
    shown = json.loads(out)
    assert [Path(each["path"]).name for each in shown["removed"]] == ["abc", "bytecode", "logs"]
    assert all(each["bytes"] >= 60_000 for each in shown["removed"])
    assert [Path(each["path"]).name for each in shown["kept"]] == ["main"]
    assert stray.exists()
    code, _, err = used.blocks("clean")
    assert (code, "kept     .blocks/local/main" in err) == (ExitCode.OK, True)
    assert not any(each.exists() for each in (stray, compiled, logs))
    assert "applied" in used.blocks("status")[1]
    assert used.blocks("clean", "--data")[0] == ExitCode.OK
    assert not used.local.exists()


def test_the_code_cache_is_bounded_by_the_least_recent_use(tmp_path: Path) -> None:
    store = CodeStore(tmp_path)
    keys = [store.inline(f"x = {number}\n" + "#" * 100_000) for number in range(4)]
    for age, key in enumerate(reversed(keys)):
        os.utime(store.path(key), (1e9 - age, 1e9 - age))
    store.inline("x = 0\n" + "#" * 100_000)  # used again
    assert store.prune({keys[1]}, limit=0) == [keys[2], keys[3]]
    assert store.path(keys[1]).exists(), "a deployed stack needs it"
    assert store.path(keys[0]).exists(), "used within the last hour"
    assert store.prune(set(), limit=10**9) == []


WRONG_LINES = {
    "command": (["statsu"], "did you mean `{} status`?"),
    "option": (["status", "--jsno"], "did you mean --json?"),
    "help": (["status", "--nonsense"], "see `{} status --help`"),
}


@pytest.mark.parametrize("line", WRONG_LINES)
def test_both_commands_answer_wrong_arguments_alike(shell: Shell, line: str) -> None:
    arguments, remedy = WRONG_LINES[line]
    for program, run in {"blocks": shell.blocks, "local-dsql": shell.local_dsql}.items():
        code, _, err = run(*arguments)
        assert (code, is_explained(err)) == (ExitCode.USAGE, True)
        assert remedy.format(program) in err
        code, out, _ = run(*arguments, "--json")
        assert json.loads(out)["exitCode"] == ExitCode.USAGE


def test_a_dialect_is_suggested(shell: Shell) -> None:
    for run in (shell.blocks, shell.local_dsql):
        command = "lint" if run == shell.blocks else "start"
        assert f"did you mean {DEFAULT.name}?" in run(command, "--dialect", "portabel")[2]


def test_inject_ignores_case_and_refuses_unknown_tables(used: Shell) -> None:
    with LocalCluster(used.local):
        assert used.local_dsql("inject", "oc000", "--table", "accounts")[1].startswith("1: OC000, once")
        code, _, err = used.local_dsql("inject", "OC000", "--table", "acounts")
        assert (code, "did you mean accounts?" in err) == (ExitCode.USAGE, True)


def test_a_user_without_a_name_is_refused_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    from local_dsql.errors import PostgresError
    from local_dsql.postgres import account

    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    monkeypatch.setattr(account, "_SUPPORTS_NAMESPACES", False)
    with pytest.raises(PostgresError, match="whose id 4242 has no name"):
        account.choose_account()


UNNAMED = """
import os, sys
from pathlib import Path
from local_dsql.errors import PostgresError
from local_dsql.postgres import DataDirectory, choose_account, find_binaries
binaries = find_binaries()
os.setgroups([])
os.setgid(4242)
os.setuid(4242)
try:
    DataDirectory(Path(sys.argv[1])).initialise(binaries, choose_account())
except PostgresError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="switches the user")
def test_a_user_without_a_name_has_a_database() -> None:
    folder = Path(tempfile.mkdtemp())  # the parents of tmp_path are private
    try:
        os.chown(folder, 4242, 4242)
        program = [sys.executable, "-c", UNNAMED, str(folder / "data")]
        ran = subprocess.run(program, capture_output=True, text=True, check=False)
        assert ran.returncode == 0 or "has no name" in ran.stderr, ran.stderr
        assert (folder / "data" / "PG_VERSION").exists() == (ran.returncode == 0)
    finally:
        shutil.rmtree(folder)


def test_a_folder_error_names_no_option_that_a_command_lacks(used: Shell) -> None:
    (used.local / "built.json").write_text("garbage")
    with pytest.raises(FolderError) as caught:
        LocalCluster(used.local).start()
    assert "--path" not in str(caught.value)


TRACES = {
    "explained": (
        [
            "Traceback",
            '  File "app.py", line 3',
            "a.b.ConstructError: x is y",
            "  why: because",
            "  do:  change it",
        ],
        ("x is y", "because", "change it"),
    ),
    "explained, in the bundling of an asset": (
        [
            "RuntimeError: Failed to bundle asset S/Fn/Code/Stage, bundle output is located at /p/a-building: "
            "@jsii/kernel.RuntimeError: the packages of /p/requirements.txt cannot be installed",
            "  why: because",
            "  do:  change it",
        ],
        ("the packages of /p/requirements.txt cannot be installed", "because", "change it"),
    ),
    "two findings": (
        [
            "m.MigrationErrors: a.sql:1:1: one",
            "  why: w",
            "  do:  d",
            "b.sql:2:1: two",
            "  why: v",
            "  do:  e",
        ],
        ("b.sql:2:1: two", "v", "e"),
    ),
    "other": (
        ['  File "/p/app.py", line 7', '  File "/x/site-packages/y.py", line 1', "KeyError: 'z'"],
        ("synth failed: python app.py", "KeyError: 'z' (/p/app.py:7)", "correct the app"),
    ),
}


@pytest.mark.parametrize(("lines", "parts"), TRACES.values(), ids=TRACES)
def test_a_failed_synth_is_told_without_its_traceback(lines: list[str], parts: tuple[str, ...]) -> None:
    error = app_error("python app.py", 1, lines)
    assert error is not None
    assert (error.what, error.why) == parts[:2]
    assert error.remedy.startswith(parts[2])


def test_a_failed_synth_prints_the_message_alone(shell: Shell) -> None:
    (shell.folder / "app.py").write_text("print('building')\nraise LookupError('no such thing')\n")
    code, _, err = shell.blocks("deploy", "--local", "--app", f"{sys.executable} app.py")
    assert (code, is_explained(err)) == (ExitCode.USAGE, True)
    assert "why: LookupError: no such thing (" in err
    assert "building" in err


def test_an_error_of_the_cdk_prints_the_message_alone(shell: Shell) -> None:
    """The CDK fails in JavaScript, so the traceback begins with the error of jsii."""
    text = "import aws_cdk\naws_cdk.Stack(aws_cdk.App(), 'S', stack_name='not a name')\n"
    (shell.folder / "app.py").write_text(text)
    code, _, err = shell.blocks("deploy", "--local", "--app", f"{sys.executable} app.py")
    assert (code, is_explained(err)) == (ExitCode.USAGE, True)
    assert "jsii.errors" not in err
    assert "The above exception" not in err
    assert "app.py:2)" in err


def test_a_migration_is_repaired_by_its_number(used: Shell) -> None:
    assert "repaired 001_accounts" in used.blocks("repair", "1", "--pending")[2]
    assert "repaired 001_accounts" in used.blocks("repair", "001", "--applied")[2]


def test_a_file_that_changed_is_told_with_short_checksums(used: Shell) -> None:
    (used.folder / "migrations" / "001_accounts.sql").write_text(ACCOUNTS + "-- changed\n;")
    code, _, err = used.blocks("plan")
    assert code == ExitCode.USAGE
    assert max(map(len, err.split())) < 80
