"""Prompt shape: the sentences that stay the same while the payload changes.

A template seldom covers a whole prompt: a demand for reasoning is one line after many different
questions. So the unit of shape is the *fragment*: a sentence or line without its variable parts
(numbers, quoted text, names inside a sentence). A fragment that many accounts send with different
payload is a shared shape; a fragment that occurs once is payload. An inverted index over fragments
finds both exactly, and finds shared shapes faster than MinHash of whole prompts
(docs/decisions/0002).
"""

import polars as pl

SHAPE_ENCODER = "fragments/1"

_MAX_CHARS = 4_000
_MIN_BYTES = 12  # shorter ones ("thank you", "question") are used by everybody
_SENTENCE_ENDS = r"[\n.!?:;。！？：；؟।…]+"
_QUOTED = r'"[^"\n]{1,400}"|“[^”]{1,400}”|«[^»]{1,400}»|「[^」]{1,400}」|`[^`]{1,400}`'
_NAME_INSIDE = r"([\p{Ll},] )\p{Lu}[\p{L}\p{N}'-]*"
_EDGES = " \t\r*#->|,()[]{}\"'"


def fragments(frame: pl.DataFrame) -> pl.DataFrame:
    """Cuts system and user text into fragments.

    Args:
        frame: Columns `system` and `prompt`, string or null.

    Returns:
        Columns `row` (u32, index into `frame`), `part` (`system` or `prompt`), `text` (the
        fragment, lower case, without its variable parts), `fragment` (u64, its hash within its
        part), `said` (the fragment as it was written) and `exact` (u64, hash of that), in order of
        part, row and place.
    """
    return pl.concat(
        [_cut(frame, part, seed) for seed, part in enumerate(("system", "prompt"), start=1)]
    )


def _cut(frame: pl.DataFrame, part: str, seed: int) -> pl.DataFrame:
    shape = (
        pl.col("said")
        .str.replace_all(_QUOTED, ' " ')
        .str.replace_all(_NAME_INSIDE, "${1}N")
        .str.to_lowercase()
        .str.replace_all(r"\d+", "0")
    )
    return (
        frame.lazy()
        .select(
            pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"),
            pl.col(part).str.slice(0, _MAX_CHARS).alias("said"),
        )
        .drop_nulls("said")
        .with_columns(pl.col("said").str.replace_all(_SENTENCE_ENDS, "\n").str.split("\n"))
        .explode("said")
        .with_columns(pl.col("said").str.strip_chars(_EDGES))
        .filter(pl.col("said").str.len_bytes() >= _MIN_BYTES)
        .with_columns(shape.alias("text"))
        .select(
            "row",
            pl.lit(part).alias("part"),
            "text",
            pl.col("text").hash(seed).alias("fragment"),
            "said",
            pl.col("said").hash(seed).alias("exact"),
        )
        .collect()
    )
