"""What every attack is: a way to a surrogate by queries, with a card that says what it needs and
where it is from.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from gamekeeper.audit.answers import Access, AnswerForm
from gamekeeper.audit.asking import Ask
from gamekeeper.audit.learners import Predict
from gamekeeper.audit.targets import Array

Maturity = Literal["experimental", "tested", "stable", "retired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackCard:
    """What an attack says of itself.

    Args:
        name: Unique.
        purpose: How it gets a copy, one sentence.
        needs: What it needs of the interface and of the thief.
        fits: The targets against which it is strong.
        source: Where it is from, and what differs here.
        extra: Extra that it needs; None for none.
        under_defences: Whether it is played behind defences too; not if it differs in the choice of
            inputs alone.
        makes_inputs: Whether it asks what no other does; then its thieves share what the audit has
            to spend.
        comes_first: Whether it needs few queries where it applies, so that it is tried before all
            others, with a part of the queries.
        fewest: Queries that any copy needs, if so many that the audit sets them aside; see the
            driver.
        maturity: How far it is tested.
    """

    name: str
    purpose: str
    needs: str
    fits: str
    source: str
    extra: str | None = None
    under_defences: bool = True
    makes_inputs: bool = False
    comes_first: bool = False
    fewest: int = 0
    maturity: Maturity = "tested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """A copy.

    Args:
        queries: Made for it so far.
        predict: Its labels, or its values where the target answers numbers.
        recipe: What it is, in a few words.
    """

    queries: int
    predict: Predict
    recipe: str


Encode = Callable[[Array], Array]
"""Inputs, shape (n, width), to what a public encoder makes of them, shape (n, features)."""
Explain = Callable[[Array], Array]
"""Inputs to counterfactuals, both of shape (n, width): the near input that gets the other label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Documentation:
    """What the documentation of an interface says of inputs, to everybody.

    Args:
        low: Least value of each feature, shape (width,); of pictures, of all pixels alike.
        high: Greatest, the same.
        whole: Which of them are whole numbers, shape (width,).
        picture: Height and width of an input, if inputs are pictures in one channel.
    """

    low: Array
    high: Array
    whole: Array
    picture: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackerKnowledge:
    """What a thief brings along.

    Args:
        pool: Inputs of the target's domain, unlabelled, shape (n, width), in the order in which
            they are asked.
        sizes: Numbers of queries at which a surrogate is wanted, ascending.
        uses_scores: Whether scores are believed; knowing of a defence, one may take the labels
            alone.
        classes: Labels are 0 to this, exclusive; 0 where the target answers numbers.
        encode: A public encoder that the target may be built on; None if none is known.
        explain: Asks for counterfactuals, each a query; None if the interface gives none.
        picture: Height and width of an input, if inputs are pictures in one channel.
        public: Inputs of the same shape, but of another domain, shape (m, width); None if none are
            given.
        categories: Columns whose numbers are codes of categories.
        has_gaps: Whether values may be missing, NaN.
        is_balanced: Whether a copy is judged on each class alike, however rare.
    """

    pool: Array
    sizes: Sequence[int]
    uses_scores: bool
    classes: int
    encode: Encode | None = None
    explain: Explain | None = None
    picture: tuple[int, int] | None = None
    public: Array | None = None
    categories: tuple[int, ...] = ()
    has_gaps: bool = False
    is_balanced: bool = False

    @property
    def documentation(self) -> Documentation:
        """All that a thief without inputs of the domain may know of them."""
        low = self.pool.min(axis=0)
        high = self.pool.max(axis=0)
        whole = (self.pool == np.round(self.pool)).all(axis=0)
        if self.picture is not None:  # nobody writes down what each pixel can be
            low = np.full_like(low, low.min())
            high = np.full_like(high, high.max())
            whole = np.full_like(whole, whole.all())
        return Documentation(low=low, high=high, whole=whole, picture=self.picture)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """What an attack must know to say whether it can be tried.

    Args:
        form: What answers are.
        width: Of an input.
        is_plain: Whether inputs are numbers without gaps, so that others can be drawn between them.
        has_encoder: Whether a public encoder is known.
        has_counterfactuals: Whether the interface gives counterfactuals.
        picture: As `AttackerKnowledge.picture`.
        has_public: Whether public inputs are given.
    """

    form: AnswerForm
    width: int
    is_plain: bool = True
    has_encoder: bool = False
    has_counterfactuals: bool = False
    picture: tuple[int, int] | None = None
    has_public: bool = False

    @property
    def has_scores(self) -> bool:
        """Whether answers are more than labels."""
        return self.form.access is not Access.LABELS

    @property
    def why_not_drawn(self) -> str | None:
        """Why inputs cannot be made up; None if they can."""
        if self.is_plain:
            return None
        return "it makes inputs up, which needs columns of numbers without missing values"

    @property
    def why_no_classes(self) -> str | None:
        """Why labels are of no use; None if the target has classes."""
        return "it works with labels; the target answers numbers" if self.form.are_numbers else None


class Attack(Protocol):
    """A way to a surrogate."""

    card: AttackCard

    def why_not(self, interface: Interface) -> str | None:
        """Returns why the attack cannot be tried on such an interface; None if it can."""
        ...

    def surrogates(
        self, ask: Ask, knowledge: AttackerKnowledge, rng: np.random.Generator
    ) -> Iterator[Surrogate]:
        """Yields a surrogate at each size that can be reached; each goes on from the queries of the
        one before.
        """
        ...


ATTACKS: dict[str, Attack] = {}
"""Attacks by name, in the order in which they registered."""


def attack(made: type[Attack]) -> type[Attack]:
    """Registers an attack."""
    ATTACKS[made.card.name] = made()
    return made
