"""How the pages of this directory are laid out as a static site: `make docs-html`.

They are written to be read in the repository as well, so some of what they say is put differently
on the way: the README stands in the place of its page here, named places become targets that Sphinx
knows, and links to directories and to Markdown elsewhere lose their aim but not their words.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from sphinx.application import Sphinx

project = "Marquee"
author = "The authors of Marquee"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Marquee"
html_copy_source = False
html_show_copyright = False
html_show_sourcelink = False
html_show_sphinx = False

_DOCS: Final = Path(__file__).parent
_ROOT: Final = _DOCS.parent
_README: Final = "readme"

_PLACE: Final = re.compile(r'^<a id="([\w-]+)"></a>$', re.MULTILINE)
_LINK: Final = re.compile(r"(?P<words>!?\[[^\]]*\])\((?P<path>[^()\s:#]+)(?P<anchor>#[^()\s]*)?\)")


def setup(app: Sphinx) -> None:
    """Have every page pass by before it is parsed."""
    app.connect("source-read", _laid_out)


def _laid_out(_app: Sphinx, name: str, source: list[str]) -> None:
    home = _DOCS
    if name == _README:
        home = _ROOT
        source[0] = (_ROOT / "README.md").read_text("utf-8")
    text = _PLACE.sub(r"(\1)=", source[0])
    source[0] = _LINK.sub(lambda link: _led(link, home), text)


def _led(link: re.Match[str], home: Path) -> str:
    """Return a link as it leads from a page of the site."""
    target = (home / link["path"]).resolve()
    anchor = link["anchor"] or ""
    if target == _ROOT / "README.md":
        return f"{link['words']}({_README}.md{anchor})"
    if target.is_dir():
        return link["words"].strip("[]")
    if target.is_relative_to(_DOCS):
        return f"{link['words']}({target.relative_to(_DOCS)}{anchor})"
    if target.suffix == ".md":
        return link["words"].strip("[]")
    return f"{link['words']}(../{target.relative_to(_ROOT)}{anchor})"
