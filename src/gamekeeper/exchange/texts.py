"""The text of what was said: parts of a message -> text, without what a client adds to it.

Content is text or a list of parts, which each vendor spells otherwise. Only text counts: an image,
a sound or a file has none, the result of a tool is not the user's, and thoughts are no answer.

Clients put text of their own beside the question: a coding assistant sends its reminders, the state
of the editor and the output of commands in the user's name. These come inside tags that are known,
and are cut out. Servers of open models take a whole conversation as one text in the template of the
model; its turns are taken apart again.

Source: API references of OpenAI, Anthropic, Amazon Bedrock, Google Gemini, Cohere; OpenTelemetry
semantic conventions for GenAI messages; the prompts that Claude Code, Codex, Cline, Cursor, Copilot
and Open WebUI send; the chat templates of Llama, Mistral, Qwen, Gemma, Phi, DeepSeek and Command R.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

_DEPTH = 12  # of parts within parts: a message, its parts, a document, its source, its parts
_HOLDERS = (
    *("text", "content", "parts", "value", "guardContent", "guardcontent"),
    *("document", "transcript", "refusal", "output_text", "input_text", "data"),
)
"""Fields of a part that hold its text; the first that holds something."""

_TOOL_KINDS = frozenset({"tool_result", "tool-result", "tool_response", "tool", "function_result"})
_TOOL_ENDINGS = ("_tool_result", "_call_output", "_call_response")
TOOL_FIELDS = frozenset({"toolResult", "toolresult", "functionResponse", "function_response"})
"""Fields of a part that hold what a tool returned, in APIs whose parts have no type."""

_PLAIN_KINDS = ("text", "input_text")
_THOUGHTS = frozenset(
    {"thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text", "thought"}
)
_MEDIA = frozenset(
    {"image", "image_url", "input_image", "file", "input_file", "video", "video_url", "media"}
    | {"blob", "uri", "media-url", "audio_url"}
)


def text_of(content: Any) -> str:
    """Returns the text of a message's content: the string itself, or its text parts, one a line."""
    return content if isinstance(content, str) else "\n".join(_texts(content, _DEPTH))


def is_tool_result(part: Any) -> bool:
    """Returns whether a part or item is what a tool returned."""
    if not isinstance(part, dict):
        return False
    kind = part.get("type")
    if isinstance(kind, str) and (
        kind in _TOOL_KINDS or kind.endswith(_TOOL_ENDINGS) or kind.startswith("tool-")
    ):
        return True
    if TOOL_FIELDS.isdisjoint(part):
        return False
    return any(part.get(field) is not None for field in TOOL_FIELDS)


def only_tool_results(content: Any) -> bool:
    """Returns whether content is nothing but what tools returned."""
    if isinstance(content, dict):
        return is_tool_result(content)
    return isinstance(content, list) and bool(content) and all(map(is_tool_result, content))


def only_injected(content: Any) -> bool:
    """Returns whether all text of a content was put there by the client, and there is nothing else
    in it besides results of tools.
    """
    if isinstance(content, list) and any(map(_is_wordless, content)):
        return False
    text = text_of(content)
    return bool(text.strip()) and not without_injected(text)


def _texts(content: Any, depth: int) -> Iterator[str]:
    if isinstance(content, str):
        if content:
            yield content
    elif depth == 0:
        return
    elif isinstance(content, list):
        for part in content:
            if (text := plain_part(part)) is not None:
                yield text
            else:
                yield from _texts(part, depth - 1)
    elif isinstance(content, dict) and not (is_tool_result(content) or _is_thought(content)):
        yield from _part_texts(content, depth - 1)


def plain_text(content: Any) -> str | None:
    """Returns the text of content that is a string or one part of text, as most is; None for any
    other content, which `text_of` takes apart.
    """
    if isinstance(content, str):
        return content or None
    if isinstance(content, list) and len(content) == 1:
        return plain_part(content[0])
    return None


def plain_part(part: Any) -> str | None:
    """Returns the text of a part that holds nothing else."""
    if not isinstance(part, dict) or len(part) > 2:
        return None
    text = part.get("text")
    if len(part) == 2:
        if part.get("type") not in _PLAIN_KINDS:
            return None
        if text is None:  # OpenTelemetry's spelling
            text = part.get("content")
    return text if isinstance(text, str) and text else None


def _part_texts(part: dict[str, Any], depth: int) -> Iterator[str]:
    kind = part.get("type")
    if isinstance(kind, str) and kind in _MEDIA:
        return
    for field in _HOLDERS:
        held = part.get(field)
        if held is None or held == "" or (field == "data" and not _is_text_data(part)):
            continue
        yield from _texts(held, depth)
        return
    source = part.get("source")
    if isinstance(source, dict):
        yield from _part_texts(source, depth)


def _is_text_data(part: dict[str, Any]) -> bool:
    """`data` is text in a source of plain text alone, elsewhere the bytes of a file."""
    return part.get("type") == "text"


def _is_thought(part: dict[str, Any]) -> bool:
    kind = part.get("type")
    is_kind = isinstance(kind, str) and kind in _THOUGHTS
    return is_kind or part.get("thought") is True or part.get("reasoningContent") is not None


def _is_wordless(part: Any) -> bool:
    return isinstance(part, dict) and not is_tool_result(part) and not text_of(part).strip()


_INJECTED_TAGS = (
    # Claude Code
    *("system-reminder", "system_reminder", "command-name", "command-message"),
    *("command-contents", "local-command-stdout", "local-command-stderr", "local-command-caveat"),
    *("bash-input", "bash-stdout", "bash-stderr", "ide_opened_file", "ide_selection"),
    *("ide_diagnostics", "new-diagnostics", "user-prompt-submit-hook", "post-tool-use-hook"),
    *("session-start-hook", "task-notification", "system_context", "system_info"),
    *("system_note", "system_notification", "system_message", "system_warning"),
    # Codex
    *("environment_context", "user_instructions", "user_shell_command", "turn_aborted"),
    *("permissions instructions", "collaboration_mode", "apps_instructions"),
    *("skills_instructions", "plugins_instructions", "subagent_notification"),
    # Cline, Roo Code, Kilo Code
    *("environment_details", "explicit_instructions"),
    # Cursor, Windsurf
    *("additional_data", "attached_files", "open_and_recently_viewed_files", "user_info"),
    *("project_layout", "git_status", "cursor_rules_context", "always_applied_workspace_rules"),
    *("agent_transcripts", "linter_errors", "ADDITIONAL_METADATA", "EPHEMERAL_MESSAGE"),
    *("user_information", "user_rules", "workspace_information"),
    # Copilot, Gemini CLI
    *("environment_info", "workspace_info", "editorContext", "reminderInstructions"),
    *("repoContext", "reminder_instructions", "session_context", "current_datetime"),
)
_WRAPPER_TAGS = (
    *("user_query", "userRequest", "user_request", "USER_REQUEST", "command-args", "user_message"),
    *("user-memory-input", "user_prompt", "userPrompt"),
)
"""Tags around what the user wrote."""


def _any_of(tags: Iterable[str]) -> str:
    """Returns a pattern of tags; the same tag is written with `-` and with `_`."""
    return "|".join(re.sub("[-_]", "[-_]", tag) for tag in tags)


_OPENING = re.compile(rf"<({_any_of(_INJECTED_TAGS)})(?:\s[^<>]*)?>", re.IGNORECASE)
_WRAPPER = re.compile(rf"</?(?:{_any_of(_WRAPPER_TAGS)})(?:\s[^<>]*)?>", re.IGNORECASE)
_WHOLE_TASK = re.compile(r"\s*<(task|feedback|answer|prompt)>(.*)</\1>\s*", re.DOTALL)
_AGENTS_FILE = re.compile(r"# AGENTS\.md instructions[^\n]*\n\s*<INSTRUCTIONS>")
_AGENTS_END = "</INSTRUCTIONS>"
_IDE_REQUEST = re.compile(r"# Context from my IDE setup:.*\n## My request for Codex:", re.DOTALL)
_CAVEAT = "Caveat: The messages below were generated by the user while running local commands."
_TOOL_TEXT = re.compile(r"\[[a-z_]{3,40}(?: for '[^\n]*')?\] Result:")
"""How Cline and those made of it hand over what a tool returned."""


def without_injected(text: str) -> str:
    """Returns a user's text without what the client put there, as it is if there is nothing.

    Example:
        >>> without_injected("<system-reminder>Be careful</system-reminder>What is a comet?")
        'What is a comet?'
    """
    if text.startswith(_CAVEAT) or _TOOL_TEXT.match(text):
        return ""
    if text.startswith("# "):
        text = _without_files(text)
    if "<" not in text:
        return text
    bare = _WRAPPER.sub("", _without_tags(text))
    if (task := _WHOLE_TASK.fullmatch(bare)) is not None:
        bare = task[2]
    return text if bare == text else bare.strip()


def _without_files(text: str) -> str:
    """Returns text without the instructions and the state of the editor that Codex puts first."""
    if _AGENTS_FILE.match(text):
        end = text.find(_AGENTS_END)
        return text[end + len(_AGENTS_END) :].lstrip() if end >= 0 else text
    if (found := _IDE_REQUEST.match(text)) is not None:
        return text[found.end() :].strip()
    return text


def _without_tags(text: str) -> str:
    """Returns text without the elements of `_INJECTED_TAGS`; one that does not end is left.

    In time that is linear in the text: of a tag without an end only the first is looked for.
    """
    kept: list[str] = []
    endless: set[str] = set()
    at = 0
    while (opening := _OPENING.search(text, at)) is not None:
        tag = opening[1]
        closing = f"</{tag}>"
        end = -1 if tag in endless else text.find(closing, opening.end())
        if end < 0:
            endless.add(tag)
            kept.append(text[at : opening.end()])
            at = opening.end()
            continue
        kept.append(text[at : opening.start()])
        at = end + len(closing)
    return "".join([*kept, text[at:]]) if kept else text


_ROLE_WORD = r"([A-Za-z]{2,12})"
_MARKER = re.compile(
    "|".join(
        (
            rf"<\|start_header_id\|>\s*{_ROLE_WORD}\s*<\|end_header_id\|>",  # Llama 3
            rf"<\|header_start\|>\s*{_ROLE_WORD}\s*<\|header_end\|>",  # Llama 4
            rf"<\|im_start\|>\s*{_ROLE_WORD}",  # ChatML: Qwen, Yi, Hermes
            rf"<start_of_turn>\s*{_ROLE_WORD}",  # Gemma
            rf"<\|start_of_role\|>\s*{_ROLE_WORD}\s*<\|end_of_role\|>",  # Granite
            # gpt-oss
            rf"<\|start\|>\s*{_ROLE_WORD}[^<\n]{{0,80}}?(?:<\|channel\|>\w+)?<\|message\|>",
            r"<\|(user|assistant|system|observation|tool)\|>",  # Phi, Zephyr, GLM
            r"<\|(USER|CHATBOT|SYSTEM)_TOKEN\|>",  # Command R
            r"<｜(User|Assistant)｜>",  # DeepSeek
            r"(\[/?INST\])",  # Llama 2, Mistral
        )
    )
)
_END = re.compile(
    r"<\|(?:eot_id|eot|eom_id|im_end|end|endoftext|end_of_text|begin_of_text|START_OF_TURN_TOKEN"
    r"|END_OF_TURN_TOKEN|return|call|startoftext)\|>|<(?:bos|eos|end_of_turn|BOS_TOKEN)>|</?s>"
    r"|<\|start\|>assistant\Z|<\|(?:BOS_TOKEN|EOS_TOKEN)\|>|<｜(?:begin|end)▁of▁sentence｜>"
)
_LLAMA2_SYSTEM = re.compile(r"\s*<<SYS>>(.*?)<</SYS>>", re.DOTALL)
_PLAIN = re.compile(
    r"(?:\A|\n| (?=(?:USER|ASSISTANT):))(Human|User|USER|Assistant|ASSISTANT|Bot|System):"
)
_PLAIN_END = re.compile(r"(?:\n| (?=ASSISTANT))(?:Assistant|ASSISTANT|Bot):\s*\Z")
_ALPACA = re.compile(r"### (Instruction|Human|User|Input|Response|Assistant):?(?:[ \n]|\Z)")
_ALPACA_END = re.compile(r"### (?:Response|Assistant):?\s*\Z")
_ROLES = {
    "[INST]": "user",
    "[/INST]": "assistant",
    "human": "user",
    "instruction": "user",
    "input": "user",
    "bot": "assistant",
    "chatbot": "assistant",
    "response": "assistant",
    "model": "assistant",
    "ipython": "tool",
    "observation": "tool",
}


def turns_of(text: str, *, is_prompt: bool = False) -> list[dict[str, Any]] | None:
    """Returns the messages of a text in a model's chat template, None if it is not in one.

    A user who asks about a template writes no text that begins with its marks. Text outside all
    turns, behind the first, would be lost: then the whole text is what was asked.

    Args:
        text: The text that was sent to the model.
        is_prompt: The text was sent as a whole prompt, not as what a user wrote: turns that are
            marked by words (`Human:`, `### Instruction:`) count as well.
    """
    text = text.strip()
    if _MARKER.match(text) or _END.match(text):
        parts = _split(_MARKER, text)
        return _messages(parts) if parts else None
    if is_prompt and _PLAIN_END.search(text[-80:]):
        return _messages(_split(_PLAIN, text))
    if is_prompt and _ALPACA_END.search(text[-80:]):
        return _messages(_split(_ALPACA, text))
    return None


def _split(marker: re.Pattern[str], text: str) -> list[tuple[str, str]]:
    """Returns role and text of each turn; what comes before the first is the system's."""
    found = list(marker.finditer(text))
    if not found:
        return []
    parts = [("system", text[: found[0].start()])]
    for this, then in zip(found, [*found[1:], None], strict=True):
        word = next(group for group in this.groups() if group)
        role = _ROLES.get(word, _ROLES.get(word.lower(), word.lower()))
        parts.append((role, text[this.end() : then.start() if then else len(text)]))
    return parts


def _messages(parts: list[tuple[str, str]]) -> list[dict[str, Any]] | None:
    messages = []
    for role, said in parts:
        inside, _, outside = _until_end(said)
        if outside:
            return None
        if (system := _LLAMA2_SYSTEM.match(inside)) is not None:
            messages.append({"role": "system", "content": system[1].strip()})
            inside = inside[system.end() :]
        if inside.strip():
            messages.append({"role": role, "content": inside.strip()})
    has_user = any(message["role"] == "user" for message in messages)
    return messages if has_user else None


def _until_end(said: str) -> tuple[str, str, str]:
    """Returns the text of a turn, and what is behind its end."""
    if (end := _END.search(said)) is None:
        return said, "", ""
    inside, outside = said[: end.start()], _END.sub("", said[end.end() :]).strip()
    if not inside.strip():  # marks of the beginning
        return outside, "", ""
    return inside, end[0], outside
