"""LiteLLM's proxy with a guardrail that lets everything pass, for the table beside the guard.

Wants an environment of its own with `litellm[proxy]` and `opentelemetry-sdk` (without the latter
its proxy tries to import it on every request), its bytecode compiled. One worker, no database, no
callbacks, logging errors only.
"""

import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateways import GATEWAY, Gateway, await_port, free_port

_CONFIG = """\
model_list:
  - {{model_name: bench-0, litellm_params: {{model: openai/bench-0, api_base: "{upstream}/v1", api_key: sk-model}}}}
  - {{model_name: bench-5, litellm_params: {{model: openai/bench-5, api_base: "{upstream}/v1", api_key: sk-model}}}}
guardrails:
  - guardrail_name: passing
    litellm_params: {{guardrail: passing.Passing, mode: pre_call, default_on: true}}
litellm_settings: {{drop_params: true, telemetry: false}}
"""
_GUARDRAIL = """\
from litellm.integrations.custom_guardrail import CustomGuardrail


class Passing(CustomGuardrail):
    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        return data
"""


@contextmanager
def litellm_proxy(python: Path, upstream: Gateway) -> Iterator[Gateway]:
    """Starts it on the gateways' core.

    Args:
        python: Of its environment.
        upstream: The model server.
    """
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        (Path(folder) / "passing.py").write_text(_GUARDRAIL)
        config = Path(folder) / "config.yaml"
        config.write_text(_CONFIG.format(upstream=f"http://127.0.0.1:{upstream.port}"))
        command = [str(python.parent / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
        key = f"sk-{secrets.token_hex(32)}"
        settings = {
            "MASTER_KEY": key,
            "LOCAL_MODEL_COST_MAP": "True",
            "LOG": "ERROR",
            "MODE": "PRODUCTION",
        }
        process = subprocess.Popen(
            [*command, "--port", str(port), "--num_workers", "1"],
            cwd=folder,
            env=os.environ | {f"LITELLM_{name}": value for name, value in settings.items()},
            stdout=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, GATEWAY),
        )
        try:
            await_port(port, process)
            yield Gateway("LiteLLM, pass-through guardrail", port, process.pid, key)
        finally:
            process.terminate()
            process.wait(30)
