"""How the pages of this directory are laid out as a static site: `make docs-html`.

They are written to be read in the repository as well, so some of what they say is put differently
on the way: READMEs stand in the places of their pages here, named places become targets that Sphinx
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
_READMES: Final = {
    "readme": _ROOT / "README.md",
    "typescript-client": _ROOT / "clients" / "typescript" / "README.md",
}

_PLACE: Final = re.compile(r'^<a id="([\w-]+)"></a>$', re.MULTILINE)
_LINK: Final = re.compile(r"(?P<words>!?\[[^\]]*\])\((?P<path>[^()\s:#]+)(?P<anchor>#[^()\s]*)?\)")


def setup(app: Sphinx) -> None:
    """Have every page pass by before it is parsed."""
    app.connect("source-read", _laid_out)


def _laid_out(_app: Sphinx, name: str, source: list[str]) -> None:
    page = _READMES.get(name, _DOCS / f"{name}.md")
    text = _PLACE.sub(r"(\1)=", page.read_text("utf-8"))
    source[0] = _LINK.sub(lambda link: _led(link, page.parent), text)


def _led(link: re.Match[str], home: Path) -> str:
    """Return a link as it leads from a page of the site."""
    words, anchor = link["words"], link["anchor"] or ""
    target = (home / link["path"]).resolve()
    for name, readme in _READMES.items():
        if target == readme:
            return f"{words}({name}.md{anchor})"
    if target.is_dir():
        return words.strip("[]")
    if target.is_relative_to(_DOCS):
        return f"{words}({target.relative_to(_DOCS)}{anchor})"
    if target.suffix == ".md":
        return words.strip("[]")
    return f"{words}(../{target.relative_to(_ROOT)}{anchor})"
