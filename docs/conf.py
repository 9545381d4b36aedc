"""Configuration of Sphinx for the documentation site; `make docs` builds it from the pages of the repository."""

from __future__ import annotations

import re
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "Blocks for Aurora DSQL"
version = release = metadata.version("blocks-dsql")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"

# Links to headings have the anchors that GitHub gives them.
myst_heading_anchors = 4
# Outputs are cut with an ellipsis, which is no JSON or Python. One name may be in two packages, as DistributedDatabase.
suppress_warnings = ["misc.highlighting_failure", "ref.python"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
# The CDK's base classes have members of their own, whose docstrings are another project's.
autodoc_default_options = {"inherited-members": False}

html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}


def setup(app: Sphinx) -> None:
    """Register the hooks of the site."""
    app.connect("doctree-read", _keep_anchors)
    app.connect("autodoc-process-docstring", _as_literals, priority=400)  # before napoleon


_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def _as_literals(app: Sphinx, what: str, name: str, found: object, options: object, lines: list[str]) -> None:
    """Turn the code of a docstring, which is in single backticks, into literals of reStructuredText."""
    del app, what, name, found, options
    lines[:] = _CODE.sub(r"``\1``", "\n".join(lines)).split("\n")


def _keep_anchors(app: Sphinx, doctree: object) -> None:
    """Give each heading its anchor on GitHub, so that `errors.md#40001` and `errors.html#40001` are the same place."""
    from docutils import nodes

    del app
    assert isinstance(doctree, nodes.document)
    for section in doctree.findall(nodes.section):
        slug = section.get("slug")
        if slug and slug not in section["ids"]:
            section["ids"].append(slug)
