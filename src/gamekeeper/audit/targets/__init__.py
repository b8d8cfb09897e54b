"""What can be audited."""

from gamekeeper.audit.targets._target import (
    Array,
    QueryError,
    Target,
    TargetError,
    classes_of,
    columns_of,
    remarks_of,
)
from gamekeeper.audit.targets.callables import CallableTarget, callable_target, named_function
from gamekeeper.audit.targets.description import Endpoint, read_endpoint
from gamekeeper.audit.targets.estimators import EstimatorTarget, estimator_target
from gamekeeper.audit.targets.http import HttpTarget
from gamekeeper.audit.targets.opening import endpoint_target, open_target
from gamekeeper.audit.targets.tensors import TensorTarget, onnx_target, torch_target
from gamekeeper.audit.targets.texts import (
    CallableVectors,
    ChatTarget,
    LanguageTarget,
    Query,
    Reply,
    TextTarget,
    VectorTarget,
    WritingCallable,
)

__all__ = [
    "Array",
    "CallableTarget",
    "CallableVectors",
    "ChatTarget",
    "Endpoint",
    "EstimatorTarget",
    "HttpTarget",
    "LanguageTarget",
    "Query",
    "QueryError",
    "Reply",
    "Target",
    "TargetError",
    "TensorTarget",
    "TextTarget",
    "VectorTarget",
    "WritingCallable",
    "callable_target",
    "classes_of",
    "columns_of",
    "endpoint_target",
    "estimator_target",
    "named_function",
    "onnx_target",
    "open_target",
    "read_endpoint",
    "remarks_of",
    "torch_target",
]
