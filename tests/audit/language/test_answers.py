import pytest

from gamekeeper.audit.language.answers import agreement, final_answer, likeness_for, overlap


@pytest.mark.parametrize(
    ("text", "pattern", "said"),
    [
        ("  Paris. ", None, "paris"),
        ("First 3, then 4.\nAnswer: 12", r"Answer:\s*(\d+)", "12"),
        ("7 and 8, so 15", r"\d+", "15"),
        ("no number here", r"\d+", "no number here"),
        ("...", None, "..."),
    ],
    ids=["plain", "group", "last-match", "no-match", "marks-alone"],
)
def test_final_answer_is_what_a_reply_comes_to(text: str, pattern: str | None, said: str) -> None:
    """The last match of the pattern, else the whole, without case and marks around it."""
    assert final_answer(text, pattern) == said


def test_agreement_is_all_or_nothing_and_overlap_is_not() -> None:
    """Both are 1 for the same answer and 0 for strangers."""
    assert agreement("The Cat", "the  cat.") == overlap("The Cat", "the cat") == 1
    assert agreement("the cat", "the dog") == 0 and overlap("the cat", "the dog") == pytest.approx(
        0.5
    )
    assert overlap("", "") == 1 and overlap("", "word") == 0


def test_long_answers_are_compared_by_their_words() -> None:
    """No two of them are the same word for word."""
    assert likeness_for(["yes", "no"]).of is agreement
    assert likeness_for(["a rather long answer of more than eight words in all"] * 3).of is overlap
