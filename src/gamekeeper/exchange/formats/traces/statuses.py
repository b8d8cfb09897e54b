"""How the call of a span ended: an error, or a status of HTTP or gRPC that is one.

    status                        OTLP, Jaeger, Zipkin, consoles
    error.type, error             semantic conventions; tags of Jaeger and Zipkin
    http.response.status_code     of the call's own request, in any spelling
    gen_ai.response.finish_reasons

Sources: OpenTelemetry semantic conventions for HTTP, RPC and generative AI; Jaeger and Zipkin tags.
"""

import re
from functools import lru_cache
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.calls import fold
from gamekeeper.exchange.formats.traces.fields import first_of
from gamekeeper.exchange.messages import listing

_ERRORS = ("error", "status_code_error", "statuscode.error", "2")
_ENDS = ("statuscode", "httpstatus", "responsestatus", "httpcode", "errorcode", "resultcode")
_OF_GRPC = "grpcstatuscode"
_FIRST_ERROR, _LAST_ERROR = 400, 999
_CODE = re.compile(r"\d{1,3}(?:\.0)?")
_USUAL = (200, "200")
_OF_SPANS = "otel.status_code"


def has_failed(record: Record) -> bool:
    """True if a call ended in an error, also one that a content policy or a limit refused."""
    if first_of(record, ("error.type",)) is not None:
        return True
    if "error" in record and str(record["error"]).lower() == "true":  # Jaeger and Zipkin
        return True
    for key in _statuses(tuple(record)):
        if record[key] not in _USUAL and _is_bad(key, record[key]):
            return True
    reasons = record.get("gen_ai.response.finish_reasons")
    if reasons is not None and listing(reasons) == ["error"]:
        return True
    status = record["span"].get("status") or record.get(_OF_SPANS)
    if isinstance(status, dict):
        codes = (status.get(key) for key in ("code", "Code", "status_code", "statusCode"))
        status = next((code for code in codes if code is not None), None)
    return status is not None and str(status).lower() in _ERRORS


@lru_cache(maxsize=512)  # the spans of a log have the same few sets of keys
def _statuses(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(key for key in keys if key != _OF_SPANS and fold(key).endswith(_ENDS))


def _is_bad(key: str, value: Any) -> bool:
    if isinstance(value, str) and _CODE.fullmatch(value.strip()):
        value = float(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return _FIRST_ERROR <= value <= _LAST_ERROR or (fold(key).endswith(_OF_GRPC) and value != 0)
