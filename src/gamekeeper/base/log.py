"""Loggers whose records are cleaned: a log line must neither steer a terminal nor carry a
secret.
"""

import logging

from gamekeeper.base.text import clean


class _Cleaning(logging.Filter):
    """Replaces a record's message and traceback by their cleaned texts."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns True: every record passes, cleaned."""
        record.msg = clean(_message(record)).replace("\n", " ")
        record.args = None
        if record.exc_info:
            record.exc_text = clean(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None  # a formatter of its own would print the traceback as it is
        if record.stack_info:
            record.stack_info = clean(record.stack_info)
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # arguments that do not fit must not end what is logged
        return f"{record.msg} {record.args}"


_CLEANING = _Cleaning()


def get_logger(name: str) -> logging.Logger:
    """Returns the logger of a name; whatever is logged with it is cleaned first."""
    logger = logging.getLogger(name)
    if _CLEANING not in logger.filters:
        logger.addFilter(_CLEANING)
    return logger
