"""What requests of Anthropic's messages may hold.

Source: `anthropic.types.message_create_params` and its beta (2.14.0). Left out is what leads to
another model (`fallbacks`, `tools.model`), to another host or key (`mcp_servers`), or to what
others keep at the upstream (`thread`, `diagnostics`), and the prompt of a summary (`compaction`,
`context_management.edits.instructions`), which is answered and may ask anything.
"""

from typing import Final

from gamekeeper.guard.routes._shape import ANY, LIST, Shape
from gamekeeper.guard.routes._shape_chat import CACHE, LOCATION

_CITATION: Final = Shape(
    *("type", "enabled", "cited_text", "document_index", "document_title", "title", "url"),
    *("start_char_index", "end_char_index", "start_page_number", "end_page_number"),
    *("start_block_index", "end_block_index", "encrypted_index", "search_result_index"),
    *("source", "file_id"),
)
_TEXT: Final = Shape("type", "text", cache_control=CACHE, citations=_CITATION)
_SOURCE: Final = Shape("type", "data", "media_type", "url", "file_id")
_IMAGE: Final = _TEXT | Shape(source=_SOURCE, transformations=Shape("oversized_image"))
_PART: Final = _IMAGE | Shape(
    *("title", "context"),
    source=_SOURCE | Shape(content=_IMAGE),
    content=_TEXT,
)
"""Texts, images, documents and search results."""
_RESULT: Final = _PART | Shape(
    *("tool_name", "url", "page_age", "encrypted_content", "error_code", "error_message"),
    *("stdout", "stderr", "return_code", "encrypted_stdout", "file_id", "file_type"),
    *("num_lines", "start_line", "total_lines", "is_file_update", "retrieved_at"),
    *("new_lines", "new_start", "old_lines", "old_start"),
    content=_PART | Shape("file_id"),
    lines=LIST,
    tool_references=Shape("type", "tool_name", cache_control=CACHE),
    tabs=Shape("tab_id", "title", "url", "active"),
    state_changes=Shape("type", "tab_id", "download_id", "url", "path", "size_bytes", "error"),
)
"""What the result of a tool holds."""
_BLOCK: Final = _PART | Shape(
    *("id", "name", "tool_use_id", "is_error", "signature", "thinking", "data", "file_id"),
    *("toolset_name", "server_name"),
    input=ANY,
    caller=Shape("type", "tool_id"),
    content=_RESULT,
)
_TOOL: Final = Shape(
    *("type", "name", "description", "strict", "defer_loading", "eager_input_streaming"),
    *("max_uses", "max_characters", "max_content_tokens", "response_inclusion", "use_cache"),
    *("display_width_px", "display_height_px", "display_number", "enable_zoom"),
    allowed_callers=LIST,
    allowed_domains=LIST,
    blocked_domains=LIST,
    cache_control=CACHE,
    citations=Shape("enabled"),
    input_schema=ANY,
    input_examples=ANY,
    configs=ANY,
    default_config=ANY,
    url_sources=ANY,
    user_location=LOCATION,
)
_AMOUNT: Final = Shape("type", "value")
MESSAGES: Final = Shape(
    *("model", "max_tokens", "stream", "temperature", "top_p", "top_k", "service_tier"),
    *("inference_geo", "speed"),
    messages=Shape("role", content=_BLOCK),
    system=_TEXT,
    stop_sequences=LIST,
    metadata=Shape("user_id"),
    cache_control=CACHE,
    thinking=Shape("type", "budget_tokens", "display"),
    output_config=Shape(
        "effort",
        format=Shape("type", schema=ANY),
        task_budget=Shape("type", "total", "remaining"),
    ),
    output_format=Shape("type", schema=ANY),
    tool_choice=Shape("type", "name", "disable_parallel_tool_use"),
    tools=_TOOL,
    context_management=Shape(
        edits=Shape(
            *("type", "clear_tool_inputs", "pause_after_compaction"),
            clear_at_least=_AMOUNT,
            exclude_tools=LIST,
            keep=_AMOUNT,
            trigger=_AMOUNT,
        ),
    ),
)
"""Requests of messages, and of counting their tokens."""
