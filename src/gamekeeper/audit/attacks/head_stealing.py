"""Head stealing: a public encoder under a private head is copied by copying the head, from ordinary
inputs.

    log p_k - log p_0 = (w_k - w_0) . e(x) + (b_k - b_0)        e: the encoder, which the attacker
                                                                can run

With scores the head is solved for as in equation solving; with labels it is learnt in the encoder's
features. Queries are inputs of the domain, so that nothing about them looks unusual.

Source: what fine-tuned public models give away is known for text encoders (grey-box extraction,
    ../field); the
equations are those of Tramer et al., USENIX Security 2016, in the encoder's features.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gamekeeper.audit.asking import Ask
from gamekeeper.audit.attacks._attack import (
    AttackCard,
    AttackerKnowledge,
    Encode,
    Interface,
    Surrogate,
    attack,
)
from gamekeeper.audit.attacks._gathering import Gathering
from gamekeeper.audit.attacks.equation_solving import linear_model
from gamekeeper.audit.learners import Predict, TrainingSet, best_learner
from gamekeeper.audit.targets import Array


@attack
class HeadStealing:
    """The attack that copies the private head on a public encoder."""

    card = AttackCard(
        name="head-stealing",
        purpose="Copies the private head of a model whose encoder is public.",
        needs=(
            "The encoder (--encoder), and unlabelled inputs of the domain; labels suffice, scores"
            " help."
        ),
        fits="Fine-tuned public models whose encoder was not changed.",
        source="Tramer et al., USENIX Security 2016, section 4.1, in the features of the encoder.",
        extra="audit",
    )

    def why_not(self, interface: Interface) -> str | None:
        """See `Attack`."""
        return None if interface.has_encoder else "no public encoder is named (--encoder)"

    def surrogates(
        self, ask: Ask, knowledge: AttackerKnowledge, rng: np.random.Generator
    ) -> Iterator[Surrogate]:
        """See `Attack`."""
        assert knowledge.encode is not None
        asked = Gathering(ask, knowledge)
        for size in (size for size in knowledge.sizes if size <= len(knowledge.pool)):
            asked.add(knowledge.pool[len(asked) : size])
            features = knowledge.encode(knowledge.pool[:size])
            recipe, predict = _head(replace(asked.training, inputs=features), rng)
            yield Surrogate(
                queries=size,
                predict=_After(knowledge.encode, predict),
                recipe=f"{recipe} on the encoder",
            )


def _head(asked: TrainingSet, rng: np.random.Generator) -> tuple[str, Predict]:
    """The head: solved for where there are equations enough, else the best learner."""
    features = asked.inputs
    if asked.soft is not None and len(features) > features.shape[1]:
        return "a linear head", linear_model(features, asked.soft)
    plain = replace(asked, picture=None, categories=(), has_gaps=False)
    return best_learner(plain, rng)


class _After:
    """A head on what a public encoder makes of inputs.

    Args:
        encode: The encoder.
        head: Predicts from its features.
    """

    def __init__(self, encode: Encode, head: Predict) -> None:
        self._encode = encode
        self._head = head

    def __call__(self, inputs: Array) -> Array:
        """See `Predict`."""
        return self._head(self._encode(inputs))
