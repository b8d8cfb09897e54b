"""What can be audited."""

from gamekeeper.audit.targets._target import Array, Target, TargetError
from gamekeeper.audit.targets.callables import CallableTarget, callable_target, named_function
from gamekeeper.audit.targets.estimators import EstimatorTarget, estimator_target
from gamekeeper.audit.targets.http import HttpTarget, HttpTargetSpec, http_target
from gamekeeper.audit.targets.tensors import TensorTarget, onnx_target, torch_target

__all__ = [
    "Array",
    "CallableTarget",
    "EstimatorTarget",
    "HttpTarget",
    "HttpTargetSpec",
    "Target",
    "TargetError",
    "TensorTarget",
    "callable_target",
    "estimator_target",
    "http_target",
    "named_function",
    "onnx_target",
    "torch_target",
]
