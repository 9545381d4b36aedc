"""The extra `docs`: a page in Markdown becomes a page of a site."""

import subprocess
import sys
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    pages, site = Path(folder) / "pages", Path(folder) / "site"
    pages.mkdir()
    (pages / "conf.py").write_text("extensions = ['myst_parser']\nhtml_theme = 'furo'\n")
    (pages / "index.md").write_text("# Orders\n\nOne page.\n")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", str(pages), str(site)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "One page." in (site / "index.html").read_text()
