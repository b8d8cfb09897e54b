"""APIs that the guard knows by name and cannot judge: what they ask is in files, sound or pictures,
is asked later, or is kept at the upstream for all accounts together.

Each is refused unless the policy names it, or passes all unknown routes:

    [passed."openai.files"]

It is then passed after authentication, under the account's decisions and budgets. What administers
the upstream, and what opens connections to it, passes by its name only.
"""

import re
from dataclasses import dataclass

_STORED = "objects kept at the upstream belong to all accounts that share its credential"
_FILES = "what is asked is in files, which are not read"
_LATER = "what is asked is in files, and is answered later"
_LIVE = "what is asked is sound or text on a connection that stays open"
_ADMIN = "it administers the account at the upstream"
_FORM = "a server's own form, which is not read"


@dataclass(frozen=True, slots=True)
class Unjudged:
    """An API that is refused unless the policy passes it by name.

    Args:
        name: Unique; policies name it so.
        paths: As people write them.
        pattern: Of its clean paths, whole.
        why: Why it is not judged.
    """

    name: str
    paths: str
    pattern: re.Pattern[str]
    why: str

    @property
    def by_name_only(self) -> bool:
        """Whether a policy that passes unknown routes has to name it all the same: it administers
        the upstream, or hands out credentials for it.
        """
        return self.why in (_ADMIN, _LIVE)

    def matches(self, method: str, path: str) -> bool:
        """Returns whether a request belongs to it, whatever its method."""
        return self.pattern.fullmatch(path) is not None


def _openai(name: str, why: str, *ends: str) -> Unjudged:
    """An API at `/v1/PATH` under any prefix, at `/PATH` and at Azure's paths."""
    before = "(?:(?:/.+)?/v1|/openai|/openai/deployments/[^/]+)?/"
    return Unjudged(name, ", ".join(f"/v1/{end}" for end in ends), _below(before, ends), why)


def _server(name: str, why: str, *ends: str) -> Unjudged:
    """An API of a server, at its own paths."""
    return Unjudged(name, ", ".join(f"/{end}" for end in ends), _below("/", ends), why)


def _below(before: str, ends: tuple[str, ...]) -> re.Pattern[str]:
    """The pattern of plain paths and of all below them; `*` is any part of one segment.

    What ends like a judged operation is not among it: some server might take it for that.
    """
    plain = "|".join(re.escape(path).replace(r"\*", "[^/]+") for path in ends)
    judged = "completions|responses|embeddings|infer"
    return re.compile(f"{before}(?:{plain})(?:/(?!.*(?:{judged})).*)?", re.IGNORECASE)


UNJUDGED: tuple[Unjudged, ...] = (
    _openai("openai.files", _STORED, "files"),
    _openai("openai.uploads", _FILES, "uploads"),
    _openai("openai.batches", _LATER, "batches"),
    _openai("openai.vector_stores", _STORED, "vector_stores"),
    _openai("openai.conversations", _STORED, "conversations"),
    _openai("openai.containers", _STORED, "containers"),
    _openai("openai.skills", _STORED, "skills"),
    _openai("openai.fine_tuning", _FILES, "fine_tuning", "fine-tunes"),
    _openai("openai.evals", _LATER, "evals"),
    _openai("openai.images.edits", _FILES, "images/edits", "images/variations"),
    _openai("openai.transcriptions", _FILES, "audio/transcriptions", "audio/translations"),
    _openai("openai.voices", _FILES, "audio/voices", "audio/voice_consents"),
    _openai("openai.videos", _LATER, "videos"),
    _openai("openai.assistants", _STORED, "assistants"),
    _openai("openai.threads", _STORED, "threads", "chatkit"),
    _openai("openai.agents", _STORED, "agents", "vaults"),
    _openai("openai.realtime", _LIVE, "realtime", "live"),
    _openai("openai.responses.compact", _FORM, "responses/compact"),
    _openai("openai.safety", _FORM, "decisions", "safety", "content_provenance_checks"),
    _openai("openai.organization", _ADMIN, "organization", "projects", "webhook_*"),
    _server("anthropic.batches", _LATER, "v1/messages/batches"),
    _server("anthropic.complete", _FORM, "v1/complete"),
    _server("anthropic.sessions", _STORED, "v1/sessions", "v1/environments", "v1/memory_stores"),
    _server("anthropic.organizations", _ADMIN, "v1/organizations", "v1/user_profiles"),
    _server(
        *("vllm.generate", _FORM, "generate", "generate_stream", "inference/v1/generate"),
        "invocations",
    ),
    _server(
        *("vllm.pooling", _FORM, "pooling", "classify", "score", "rerank", "embed"),
        *("v1/pooling", "v1/classify", "v1/score", "v1/rerank", "v2/rerank", "v2/embed"),
    ),
    _server("vllm.tokens", _FORM, "tokenize", "detokenize"),
    _server(
        *("vllm.admin", _ADMIN, "v1/load_lora_adapter", "v1/unload_lora_adapter"),
        *("sleep", "wake_up", "reset_*", "collective_rpc", "update_*", "start_profile"),
    ),
    _server("ollama", _FORM, "api/chat", "api/generate", "api/embed", "api/embeddings"),
    _server(
        *("gemini", _FORM, "v1beta/models", "v1alpha/models", "v1/models/*:generateContent"),
        *("v1/models/*:streamGenerateContent", "v1/models/*:embedContent"),
    ),
    _server("kserve.v1", _FORM, "v1/models/*:predict", "v1/models/*:explain"),
    _server(
        *("kserve.generate", _FORM, "v2/models/*/generate", "v2/models/*/generate_stream"),
        *("v2/models/*/versions/*/generate", "v2/models/*/versions/*/generate_stream"),
    ),
    _server(
        *("litellm.admin", _ADMIN, "key", "user", "team", "customer", "model", "budget"),
        *("config", "credentials", "spend", "global"),
    ),
)
"""All that are known."""


def unjudged_names() -> tuple[str, ...]:
    """Returns the names that a policy may pass."""
    return tuple(api.name for api in UNJUDGED)
