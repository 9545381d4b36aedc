"""Code blocks of the pages, and the test that verifies each of them.

`VERIFIED` is the inventory. A test takes its blocks from it, through the fixture `page_blocks`, so a block that no row
has is one that no test has. `tests/test_code_blocks.py` fails on such a block.
"""

from __future__ import annotations

import functools
import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING, NamedTuple

from tools.site import ROOT, pages

if TYPE_CHECKING:
    from pathlib import Path

_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>[^\s`]*)(?: (?P<file>[^\n]+))?\n(?P<body>.*?)^(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A fenced block: its page as a path from the root, the line of its fence, its language, and its file or ""."""

    page: str
    line: int
    language: str
    file: str
    body: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {self.language}"

    @property
    def text(self) -> str:
        """The block as it is on the page, with both fences."""
        return f"```{self.language}{self.file and f' {self.file}'}\n{self.body}```"


class Of(NamedTuple):
    """Blocks of pages: by a pattern of the page, the languages, and a pattern of the begin of the text."""

    page: str
    languages: str
    begin: str = ""

    def has(self, block: Block) -> bool:
        """Return whether a block is one of these."""
        return (
            fnmatch(block.page, self.page)
            and block.language in self.languages.split()
            and re.match(self.begin, block.body) is not None
        )


def page_files() -> list[Path]:
    """Return the pages with blocks: those of the site, and the page on tests."""
    return [*pages(), ROOT / "tests" / "README.md"]


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page, from top to bottom."""
    text = page.read_text("utf-8")
    name = page.relative_to(ROOT).as_posix()
    return [
        Block(name, text.count("\n", 0, each.start()) + 1, each["language"], each["file"] or "", each["body"])
        for each in _FENCE.finditer(text)
    ]


@functools.cache
def every_block() -> tuple[Block, ...]:
    """Return the blocks of all pages."""
    return tuple(block for page in page_files() for block in blocks_of(page))


def taken_by(test: str) -> list[Block]:
    """Return the blocks that a test verifies, by its node id without parameters."""
    return [block for block in every_block() if any(each.has(block) for each in VERIFIED[test])]


_SHELL = r"(?:\$ )?(?:npx cdk|aws|npm|make|cd|blocks|python3|pip) |blocks dev\n"
_INVOKED = r"(?:.*\n)*?.*aws lambda invoke"
_OF_AWS = rf"(?!{_INVOKED})"

_GUIDES = "tests/blocks_cli/migrations/test_guides.py"
_MIGRATIONS = "tests/blocks_cli/migrations/test_docs.py"
_RUNTIME = "tests/blocks_runtime/test_docs.py"
_ATOMIC = "tests/blocks_runtime/atomic_table/test_docs.py"
_LOCAL = "tests/local_dsql/test_docs.py"
_PAGES = "tests/end_to_end/test_pages.py"
_README = "tests/end_to_end/test_readme.py"
_COURSE = "tests/end_to_end/test_bank_course.py"
_HERE = "tests/test_code_blocks.py"

VERIFIED: dict[str, tuple[Of, ...]] = {
    # Executed: the examples of a page, its files and its commands.
    "tests/blocks/test_docs.py::test_every_example_makes_a_template": (
        Of("docs/construct.md", "python"),
        Of("docs/guides/vpc.md", "python"),
        Of("docs/guides/packages.md", "python"),
        Of("docs/guides/existing-cluster.md", "python"),
    ),
    f"{_RUNTIME}::test_the_examples_print_the_output_on_the_page": (Of("docs/runtime.md", "python pycon"),),
    f"{_RUNTIME}::test_the_test_of_a_handler_on_the_page_works": (
        Of("docs/testing.md", "python sql console"),
    ),
    f"{_ATOMIC}::test_the_examples_print_the_output_on_the_page": (
        Of("docs/atomic-table.md", "python pycon"),
    ),
    f"{_ATOMIC}::test_the_refusal_of_a_write_is_the_one_on_the_page": (Of("docs/atomic-table.md", "text"),),
    f"{_ATOMIC}::test_the_server_prints_the_variable_on_the_page": (
        Of("docs/atomic-table.md", "console", r"\$ python -m local_dynamodb"),
    ),
    f"{_MIGRATIONS}::test_every_example_prints_what_the_page_says": (
        Of("docs/migrations.md", "sql console"),
        Of("docs/cli.md", "sql csv console"),
    ),
    f"{_MIGRATIONS}::test_the_recipe_for_an_enumeration_allows_another_value": (
        Of("docs/migrations.md", "pgsql", "ALTER"),
    ),
    f"{_MIGRATIONS}::test_the_ledger_answers_the_query_of_the_page": (
        Of("docs/migrations.md", "pgsql", "SELECT"),
    ),
    f"{_MIGRATIONS}::test_the_settings_of_the_page_are_read": (Of("docs/cli.md", "toml"),),
    f"{_GUIDES}::test_every_block_does_what_the_page_says": (
        Of("docs/concepts/*.md", "python pycon pgsql"),
        *(
            Of(f"docs/guides/{name}.md", "sql csv toml console python pycon pgsql")
            for name in ("ci", "moving", "pagination", "seed-data", "sqlalchemy", "tenants")
        ),
        *(
            Of(f"docs/guides/{name}.md", "sql csv toml console python pycon pgsql")
            for name in ("unique-indexes", "upgrading")
        ),
    ),
    f"{_GUIDES}::test_the_workflow_passes_on_the_files_of_the_page": (Of("docs/guides/ci.md", "yaml"),),
    f"{_LOCAL}::test_the_package_has_the_extra_and_the_server_prints_a_url": (
        Of("docs/local-dsql.md", "console", r"\$ pip"),
    ),
    f"{_LOCAL}::test_a_cluster_of_two_regions_is_reached_as_on_the_page": (
        Of("docs/local-dsql.md", "python", r"import psycopg\n\n"),
    ),
    f"{_LOCAL}::test_the_test_with_a_fixture_passes": (
        Of("docs/local-dsql.md", "python", r"import psycopg\nimport pytest"),
    ),
    f"{_LOCAL}::test_admin_sees_the_rights_of_a_role": (Of("docs/faq.md", "pgsql"),),
    "tests/local_dsql/test_aws_names.py::test_application_for_aws_runs_unchanged": (
        Of("docs/local-dsql.md", "text", "CLUSTER_ENDPOINT"),
    ),
    f"{_LOCAL}::test_the_score_is_that_of_the_facts": (
        Of("docs/local-dsql.md", "console", r"\$ make conformance"),
    ),
    "tests/local_dsql/test_predicates.py::test_the_example_of_the_page": (
        Of("docs/local-dsql.md", "python", r"cluster\.inject"),
    ),
    f"{_LOCAL}::test_the_commands_on_clients_run_in_a_shell": (Of("docs/clients.md", "console"),),
    "tests/end_to_end/test_operations.py::test_every_example_is_a_recipe": (
        Of("docs/operations.md", "python"),
    ),
    f"{_PAGES}::test_the_app_of_a_page_prints_its_output": tuple(
        Of(f"docs/{name}.md", "python sql json toml console")
        for name in ("start", "multi-region", "guides/http-api")
    ),
    f"{_PAGES}::test_the_rate_limiter_is_deployed_by_the_commands_of_the_page": (
        Of("docs/atomic-table.md", "console", r"\$ \.venv"),
    ),
    f"{_README}::test_the_smallest_stack_runs_the_smallest_handler": (Of("README.md", "python"),),
    f"{_README}::test_every_command_of_the_readme_is_run": (Of("README.md", "console"),),
    f"{_COURSE}::test_every_command_of_a_page_prints_what_the_page_says": (
        Of("examples/bank/*.md", "console"),
        Of("examples/bank/*.md", "text", _INVOKED),
    ),
    "tests/end_to_end/worldseat/test_readme.py::test_commands": (Of("examples/worldseat/*.md", "console"),),
    "tests/end_to_end/worldseat/test_readme.py::test_the_table_of_the_page_has_lines_of_the_command": (
        Of("examples/worldseat/*.md", "text"),
    ),
    # Compared with what the code makes.
    "tests/test_reference.py::test_the_page_on_public_names_is_what_the_code_makes": (
        Of("docs/api.md", "{eval-rst}"),
    ),
    "tests/end_to_end/test_dev_session.py::test_the_lines_are_those_that_the_command_prints": (
        Of("docs/cli.md", "text"),
    ),
    f"{_HERE}::test_an_excerpt_is_a_part_of_a_file_beside_the_page": (Of("examples/bank/*.md", "python"),),
    f"{_HERE}::test_a_statement_is_one_of_the_functions_beside_the_page": (Of("examples/bank/*.md", "sql"),),
    f"{_HERE}::test_a_diagram_has_names_of_the_code": (
        Of("ARCHITECTURE.md", "text"),
        Of("docs/concepts/*.md", "text"),
        Of("docs/guides/*.md", "text"),
    ),
    # Parsed by their programs: a person runs them.
    f"{_HERE}::test_a_command_for_a_person_is_accepted_by_its_program": (
        Of("CONTRIBUTING.md", "console"),
        Of("tests/README.md", "sh"),
        Of("docs/*.md", "sh", _SHELL),
        Of("docs/acceptance.md", "console"),
        Of("docs/operations.md", "console"),
        Of("docs/cloudformation.md", "console"),
        Of("docs/local-dsql.md", "console", r"\$ export"),
        Of("examples/*.md", "sh"),
        Of("examples/bank/*.md", "text", _OF_AWS),
    ),
}
"""Blocks by the test that verifies them."""
