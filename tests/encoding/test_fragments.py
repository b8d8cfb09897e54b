import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.encoding import fragments


def cut(*prompts: str | None, system: str | None = None) -> pl.DataFrame:
    """Fragments of these prompts, all with the same system text."""
    columns = {"system": [system] * len(prompts), "prompt": list(prompts)}
    return fragments(pl.DataFrame(columns, schema={"system": pl.String, "prompt": pl.String}))


def shapes(prompt: str) -> list[str]:
    return cut(prompt)["text"].to_list()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Add 17 and 25 and say the sum", "Add 3 and 1999 and say the sum"),
        (
            'Translate the phrase "good morning" to Welsh',
            'Translate the phrase "sleep well" to Welsh',
        ),
        ("Translate the phrase «bonjour» for me", "Translate the phrase «bonne nuit» for me"),
        ("Explain the function `parse_row` to me", "Explain the function `main` to me"),
        ("write a letter to Amelia about the rent", "write a letter to Bartholomew about the rent"),
        ("WRITE A SUMMARY OF THE TEXT", "write a summary of the text"),
        ("- write a summary of the text", "* write a summary of the text"),
    ],
)
def test_variable_parts_are_taken_out(one: str, other: str) -> None:
    """Numbers, quoted text, names inside a sentence, case and bullets do not make another shape."""
    assert shapes(one) == shapes(other) and len(shapes(one)) == 1
    assert cut(one)["fragment"].to_list() == cut(other)["fragment"].to_list()


def test_another_sentence_is_another_shape() -> None:
    """What is left after the variable parts still distinguishes sentences."""
    assert shapes("Add 17 and 25 and say the sum") != shapes("Add 17 and 25 and say the mean")


def test_template_is_found_around_different_payload() -> None:
    """A demand for reasoning, one line behind ever different questions, is the one fragment they
    share.
    """
    demand = "Show every step of your reasoning before the final answer."
    found = cut(
        *(
            f"{question} {demand}"
            for question in ("Why is the sky blue?", "Who built the old pier?")
        )
    )
    shared = found.group_by("fragment").agg(pl.col("row").n_unique(), pl.col("text").first())
    assert shared.filter(pl.col("row") == 2)["text"].to_list() == [
        "show every step of your reasoning before the final answer"
    ]


def test_system_and_prompt_are_kept_apart() -> None:
    """The same sentence as an instruction and as a question is two shapes."""
    found = cut("You are a careful grader", system="You are a careful grader")
    assert found["part"].to_list() == ["system", "prompt"] and found["text"].n_unique() == 1
    assert found["fragment"].n_unique() == 2 and found["exact"].n_unique() == 2


def test_fragment_keeps_its_original_text() -> None:
    """The shape has no numbers in it; the original text has, and a hash of its own."""
    found = cut("Add 17 and 25 and say the sum", "Add 3 and 4 and say the sum")
    assert found["said"].to_list() == [
        "Add 17 and 25 and say the sum",
        "Add 3 and 4 and say the sum",
    ]
    assert found["fragment"].n_unique() == 1 and found["exact"].n_unique() == 2


def test_order_is_that_of_the_prompt() -> None:
    """Rows in order, and within a row from its beginning to its end."""
    found = cut("first sentence here. second sentence here", "third sentence here")
    assert found["row"].to_list() == [0, 0, 1]
    assert found["text"].to_list() == [
        "first sentence here",
        "second sentence here",
        "third sentence here",
    ]


@pytest.mark.parametrize("prompt", ["", " ", "ok", "Thank you.\n\nBye!", None])
def test_short_phrases_are_not_fragments(prompt: str | None) -> None:
    """Neither is an empty prompt, or a missing one."""
    assert cut(prompt).height == 0


def test_sentences_end_in_every_script() -> None:
    """Chinese, Arabic and Hindi end theirs with signs of their own."""
    assert len(shapes("请一步一步地推理。然后给出最终答案。")) == 2
    assert len(shapes("اشرح كل خطوة بالتفصيل؟ ثم أعط الجواب")) == 2
    assert len(shapes("हर चरण समझाइए। फिर उत्तर दीजिए।")) == 2


def test_no_rows_give_no_fragments() -> None:
    """With the same columns."""
    assert cut().columns == cut("a sentence long enough").columns


@given(prompts=st.lists(st.text(max_size=80) | st.none(), max_size=8))
def test_row_by_row_is_the_same_as_all_at_once(prompts: list[str | None]) -> None:
    """A fragment depends on its own prompt only."""
    alone = [cut(prompt).drop("row") for prompt in prompts]
    together = cut(*prompts).drop("row")
    assert together.equals(pl.concat([together.clear(), *alone]))
