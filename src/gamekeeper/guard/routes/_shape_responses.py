"""What requests of OpenAI's responses may hold.

Source: `openai.types.responses.response_create_params` (3.57.0). Left out is what leads to another
model (`tools.model`, `moderation.model`), to another host or key (`tools.server_url`,
`tools.authorization`), or to what others keep at the upstream (`prompt`).
"""

from typing import Final

from gamekeeper.guard.routes._shape import ANY, LIST, MAP, METADATA, Shape
from gamekeeper.guard.routes._shape_chat import BREAKPOINT, LOCATION

_PART: Final = Shape(
    *("type", "text", "refusal", "detail", "file_id", "image_url"),
    *("file_data", "file_url", "filename"),
    annotations=ANY,
    logprobs=ANY,
    input_audio=Shape("data", "format"),
    prompt_cache_breakpoint=BREAKPOINT,
)
_OUTPUT: Final = _PART | Shape("stdout", "stderr", outcome=Shape("type", "exit_code"))
_ACTION: Final = Shape(
    *("type", "button", "x", "y", "scroll_x", "scroll_y", "text", "url", "pattern", "query"),
    *("timeout_ms", "user", "working_directory", "max_output_length"),
    command=LIST,
    commands=LIST,
    keys=LIST,
    queries=LIST,
    path=Shape("x", "y"),
    sources=Shape("type", "url"),
    env=MAP,
)
_TEXT: Final = Shape("verbosity", format=ANY)
_CHECK: Final = Shape("id", "code", "message")
_FILTER: Final = Shape("type", "key", value=LIST)
_NETWORK: Final = Shape("type", allowed_domains=LIST)
_SKILL: Final = Shape("type", "skill_id", "version", "name", "description", "path")
_CONTAINER: Final = Shape(
    *("type", "container_id", "memory_limit"),
    file_ids=LIST,
    network_policy=_NETWORK,
    skills=_SKILL,
)
_FUNCTION: Final = Shape(
    *("type", "name", "description", "strict", "async", "defer_loading"),
    allowed_callers=LIST,
    parameters=ANY,
    output_schema=ANY,
    format=Shape("type", "definition", "syntax"),
)
_MCP_TOOLS: Final = Shape("read_only", tool_names=LIST)
_TOOL: Final = _FUNCTION | Shape(
    *("execution", "max_num_results", "search_context_size", "external_web_access"),
    *("display_height", "display_width", "environment", "action", "background", "complexity"),
    *("frame_count", "frame_duration_ms", "input_fidelity", "moderation", "output_compression"),
    *("output_format", "partial_images", "quality", "size", "server_label"),
    *("server_description",),
    allowed_tools=_MCP_TOOLS,
    require_approval=Shape(always=_MCP_TOOLS, never=_MCP_TOOLS),
    svg=Shape(reasoning=Shape("effort")),
    tools=_FUNCTION,
    vector_store_ids=LIST,
    search_content_types=LIST,
    filters=_FILTER | Shape(allowed_domains=LIST, filters=_FILTER),
    ranking_options=Shape(
        *("ranker", "score_threshold"),
        hybrid_search=Shape("embedding_weight", "text_weight"),
    ),
    user_location=LOCATION,
    container=_CONTAINER,
    environment=_CONTAINER,
    input_image_mask=Shape("file_id", "image_url"),
)
_ITEM: Final = Shape(
    *("id", "type", "role", "status", "phase", "call_id", "name", "namespace", "arguments"),
    *("async", "code", "container_id", "result", "encrypted_content", "server_label", "input"),
    *("approval_request_id", "approve", "reason", "revised_prompt", "size", "quality"),
    *("output_format", "background", "fingerprint", "execution", "max_output_length"),
    content=_PART,
    output=_OUTPUT,
    summary=Shape("type", "text"),
    queries=LIST,
    results=Shape("file_id", "filename", "score", "text", attributes=MAP),
    pending_safety_checks=_CHECK,
    acknowledged_safety_checks=_CHECK,
    action=_ACTION,
    actions=_ACTION,
    outputs=Shape("type", "logs", "url"),
    operation=Shape("type", "diff", "path"),
    caller=Shape("type", "caller_id"),
    environment=_CONTAINER,
    error=ANY,
    svg_usage=Shape("model", "input_tokens", "output_tokens", "reasoning_tokens", "total_tokens"),
    reasoning=Shape("effort"),
    text=_TEXT,
    tools=_TOOL | Shape(input_schema=ANY, annotations=ANY),
)
RESPONSES: Final = Shape(
    *("model", "stream", "instructions", "background", "max_output_tokens", "max_tool_calls"),
    *("temperature", "top_p", "top_logprobs", "parallel_tool_calls", "previous_response_id"),
    *("prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "store"),
    *("truncation", "user", "top_k", "min_p", "repetition_penalty", "seed"),
    input=_ITEM,
    include=LIST,
    logit_bias=MAP,
    metadata=METADATA,
    conversation=Shape("id"),
    context_management=Shape("type", "compact_threshold"),
    image=Shape("context_compression"),
    prompt_cache_options=Shape("mode", "ttl", "prewarm"),
    reasoning=Shape("effort", "summary", "generate_summary", "context", "mode"),
    stream_options=Shape("include_obfuscation"),
    text=_TEXT,
    tools=_TOOL,
    tool_choice=Shape("type", "mode", "name", "server_label", tools=ANY),
)
"""Requests of responses."""
INPUT_TOKENS: Final = RESPONSES | Shape("personality")
"""Requests of counting their tokens."""
