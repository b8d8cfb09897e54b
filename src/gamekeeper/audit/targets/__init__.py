"""What can be audited."""

from gamekeeper.audit.targets._target import Array, Target, TargetError
from gamekeeper.audit.targets.callables import CallableTarget, callable_target, named_function
from gamekeeper.audit.targets.description import Endpoint, read_endpoint
from gamekeeper.audit.targets.estimators import EstimatorTarget, estimator_target
from gamekeeper.audit.targets.http import HttpTarget
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
    "Reply",
    "Target",
    "TargetError",
    "TensorTarget",
    "TextTarget",
    "VectorTarget",
    "WritingCallable",
    "callable_target",
    "estimator_target",
    "named_function",
    "onnx_target",
    "read_endpoint",
    "torch_target",
]
