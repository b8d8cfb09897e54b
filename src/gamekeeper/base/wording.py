"""Numbers with their nouns, the same in every sentence that is written for people."""

_HISSING = ("s", "x", "ch", "sh")


def plural(noun: str) -> str:
    """Returns the plural of a noun that forms it by rule: `accounts`, `searches`.

    Of several nouns, each: `accounts or owners`.
    """
    return " or ".join(
        one + ("es" if one.endswith(_HISSING) else "s") for one in noun.split(" or ")
    )


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun: `1 campaign`, `2,000 campaigns`, `no campaigns`."""
    if number == 1:
        return f"1 {noun}"
    return f"{f'{number:,.0f}' if number else 'no'} {plural(noun)}"
