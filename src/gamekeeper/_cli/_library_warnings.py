"""Warnings of libraries, which are about their use by this program, stay off the user's terminal.

Somebody who audits a model can do nothing about a scikit-learn class that will be renamed, or about
a fit that stopped early; what matters to them is said by the verbs themselves. `--debug`, `python
-W` and PYTHONWARNINGS bring them back.
"""

import logging
import sys
import warnings

from gamekeeper.base.log import get_logger

_LOG = get_logger("gamekeeper.libraries")
_OURS = "gamekeeper"


def hide_library_warnings() -> None:
    """Sends warnings to the log at level DEBUG, and drops those that libraries log.

    Their errors are kept. What is logged reaches the terminal only where nothing else was set up:
    `gamekeeper guard` shows all of it.
    """
    if sys.warnoptions:
        return
    warnings.showwarning = _log
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_is_shown)


def _log(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    """Takes the place of `warnings.showwarning`, whose parameters these are."""
    _LOG.debug("%s:%d: %s: %s", filename, lineno, category.__name__, message)


def _is_shown(record: logging.LogRecord) -> bool:
    is_ours = record.name == _OURS or record.name.startswith(f"{_OURS}.")
    return is_ours or record.levelno >= logging.ERROR
