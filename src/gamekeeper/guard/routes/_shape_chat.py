"""What requests of OpenAI's chat completions and completions may hold.

Sources: `openai.types.chat.completion_create_params` and `openai.types.completion_create_params`
(3.57.0); for sampling, vLLM's `SamplingParams` and llama.cpp's server. What tells an upstream to
ask another model, or to show more than is withheld (`n_probs`, `reasoning_format`), is left out.
"""

from typing import Final

from gamekeeper.guard.routes._shape import ANY, LIST, MAP, METADATA, PLACE, Shape

CACHE: Final = Shape("type", "ttl")
"""Anthropic's mark of what is cached, which LiteLLM and OpenRouter take as well."""
BREAKPOINT: Final = Shape("mode", "ttl")
"""OpenAI's mark of what is cached."""
LOCATION: Final = Shape("type", city=PLACE, country=PLACE, region=PLACE, timezone=PLACE)

SAMPLING: Final = Shape(
    *("model", "stream", "n", "best_of", "seed", "random_seed", "user", "store", "service_tier"),
    *("temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens"),
    *("top_k", "min_p", "top_a", "typical_p", "tfs_z", "repetition_penalty", "length_penalty"),
    *("min_tokens", "ignore_eos", "use_beam_search", "early_stopping", "skip_special_tokens"),
    *("spaces_between_special_tokens", "include_stop_str_in_output", "truncate_prompt_tokens"),
    *("add_special_tokens", "return_token_ids", "return_tokens_as_token_ids", "cache_salt"),
    *("repeat_penalty", "repeat_last_n", "mirostat", "mirostat_tau", "mirostat_eta"),
    *("dynatemp_range", "dynatemp_exponent", "xtc_probability", "xtc_threshold"),
    *("dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n"),
    *("prompt_logprobs", "logprobs"),
    stop=LIST,
    stop_token_ids=LIST,
    allowed_token_ids=LIST,
    bad_words=LIST,
    logprob_token_ids=LIST,
    logit_bias=MAP,
    stream_options=Shape("include_usage", "include_obfuscation", "continuous_usage_stats"),
    response_format=ANY,
    structured_outputs=ANY,
    guided_json=ANY,
    guided_regex=ANY,
    guided_choice=ANY,
    guided_grammar=ANY,
)
"""What says how an answer is drawn, of the servers that speak this form."""

_FUNCTION: Final = Shape("name", "description", "strict", parameters=ANY, cache_control=CACHE)
_TOOL: Final = Shape(
    "type",
    function=_FUNCTION,
    custom=Shape("name", "description", format=ANY),
    cache_control=CACHE,
)
_TOOL_CHOICE: Final = Shape(
    "type",
    "name",
    function=Shape("name"),
    custom=Shape("name"),
    allowed_tools=Shape("mode", tools=ANY),
)
_PART: Final = Shape(
    *("type", "text", "refusal"),
    image_url=Shape("url", "detail"),
    video_url=Shape("url"),
    audio_url=Shape("url"),
    input_audio=Shape("data", "format"),
    file=Shape("file_data", "file_id", "filename"),
    thinking=Shape("type", "text"),
    cache_control=CACHE,
    prompt_cache_breakpoint=BREAKPOINT,
)
_TOOL_CALL: Final = Shape(
    *("id", "type", "index"),
    function=Shape("name", arguments=ANY),
    custom=Shape("name", "input"),
    extra_content=Shape(google=Shape("thought_signature")),
)
_MESSAGE: Final = Shape(
    *("role", "name", "refusal", "tool_call_id", "prefix", "reasoning", "reasoning_content"),
    content=_PART,
    audio=Shape("id", "data", "expires_at", "transcript"),
    function_call=Shape("name", arguments=ANY),
    tool_calls=_TOOL_CALL,
    annotations=ANY,
    reasoning_details=ANY,
    thinking_blocks=ANY,
    cache_control=CACHE,
)
CHAT: Final = SAMPLING | Shape(
    *("max_completion_tokens", "top_logprobs", "parallel_tool_calls", "verbosity"),
    *("reasoning_effort", "include_reasoning", "thinking_token_budget", "enable_thinking"),
    *("safety_identifier", "prompt_cache_key", "prompt_cache_retention", "safe_prompt"),
    *("add_generation_prompt", "continue_final_message"),
    messages=_MESSAGE,
    tools=_TOOL,
    functions=_FUNCTION,
    tool_choice=_TOOL_CHOICE,
    function_call=Shape("name"),
    metadata=METADATA,
    modalities=LIST,
    audio=Shape("format", voice=Shape("id")),
    prediction=Shape("type", content=_PART),
    prompt_cache_options=Shape("mode", "ttl"),
    reasoning=Shape("effort", "max_tokens", "exclude", "enabled", "summary", "generate_summary"),
    thinking=Shape("type", "budget_tokens"),
    web_search_options=Shape(
        "search_context_size",
        user_location=Shape("type", approximate=LOCATION),
    ),
)
"""Requests of chat completions."""
COMPLETIONS: Final = SAMPLING | Shape("suffix", "echo", prompt=ANY)
"""Requests of completions; the route reads all of `prompt`."""
