"""What a hunt found, for people and for programs: terminal, one HTML page, JSON, and the folder of
a run.

Nothing here measures or judges: it knows results, and says what they say. Names are loaded when
first asked for: the progress bar is used where no frames are.

Example:
    >>> from gamekeeper.report import print_hunt, write_folder
    >>> write_folder(result, Path("hunt"))  # doctest: +SKIP
    >>> print_hunt(result, Console(), Path("hunt"))  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from gamekeeper.base.lazy import lazy_names

if TYPE_CHECKING:
    from gamekeeper.report.document import campaigns_document
    from gamekeeper.report.explanation import explanation_json
    from gamekeeper.report.folder import read_folder, require_replaceable, write_folder
    from gamekeeper.report.html import render_html
    from gamekeeper.report.progress import Progress
    from gamekeeper.report.terminal import print_explanation, print_hunt

__all__ = [
    "Progress",
    "campaigns_document",
    "explanation_json",
    "print_explanation",
    "print_hunt",
    "read_folder",
    "render_html",
    "require_replaceable",
    "write_folder",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Progress": "gamekeeper.report.progress",
        "campaigns_document": "gamekeeper.report.document",
        "explanation_json": "gamekeeper.report.explanation",
        "print_explanation": "gamekeeper.report.terminal",
        "print_hunt": "gamekeeper.report.terminal",
        "read_folder": "gamekeeper.report.folder",
        "render_html": "gamekeeper.report.html",
        "require_replaceable": "gamekeeper.report.folder",
        "write_folder": "gamekeeper.report.folder",
    },
)
