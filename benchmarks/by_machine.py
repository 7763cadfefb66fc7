"""Pages with a section for each machine on which something was measured."""

from collections.abc import Sequence
from pathlib import Path

_HEADING = "\n## "


def write_section(page: Path, head: Sequence[str], machine: str, lines: Sequence[str]) -> str:
    """Put in what was measured on a machine, in place of what was measured there before; returns the page's text.

    Args:
        page: a file of docs; its other sections stay.
        head: lines above all sections.
        machine: the section's heading.
        lines: of the section.
    """
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    sections = {}
    for section in before.split(_HEADING)[1:]:
        name, _, body = section.partition("\n")
        sections[name] = body.strip("\n")
    sections[machine] = "\n".join(lines)
    text = "\n".join(head) + "\n" + "".join(f"{_HEADING}{name}\n\n{body}\n" for name, body in sections.items())
    page.write_text(text, encoding="utf-8")
    return text
