import numpy as np
import pytest

from gamekeeper.audit.asking import Answers
from gamekeeper.audit.privacy import (
    SCREENS,
    Leak,
    Privacy,
    Shadows,
    found_by,
    invert,
    leaks,
    poisoned_leaks,
    privacy_of,
    train_shadows,
)
from gamekeeper.audit.privacy.crowd import Crowd
from gamekeeper.audit.privacy.inversion import Domain
from gamekeeper.audit.privacy.membership import Answer, _scores, log_odds_of
from gamekeeper.audit.targets import Array


def nearest(inputs: Array, labels: Array, seed: int) -> Answer:
    """A recipe that remembers: the label of the nearest row, surer the nearer it is."""
    classes = 3

    def answer(some: Array) -> Array:
        far = ((some[:, None] - inputs) ** 2).sum(axis=2)
        sure = np.exp(-far.min(axis=1) / 2)[:, None]
        known = np.eye(classes)[labels[far.argmin(axis=1)]] * 0.9 + 0.1 / classes
        return np.asarray(known * sure + (1 - sure) / classes)

    return answer


def forgetful(inputs: Array, labels: Array, seed: int) -> Answer:
    """A recipe that learns nothing of its rows."""
    return lambda some: (
        np.full((len(some), 3), 1 / 3)
        + np.random.default_rng(seed).uniform(0, 1e-3, (len(some), 3))
    )


def rows(n: int = 120, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 8)), rng.integers(3, size=n)


def halves(rng: np.random.Generator, models: int, n: int) -> Array:
    """Members, two and two."""
    members = np.stack([rng.permutation(n) % 2 == 0 for _ in range(models // 2)]).repeat(2, axis=0)
    members[1::2] = ~members[1::2]
    return members


def by_name(found: tuple[Leak, ...]) -> dict[str, Leak]:
    return {leak.attack: leak for leak in found}


def test_shadows_have_each_row_in_half_of_them() -> None:
    """So that both sides are known of every row."""
    shadows = train_shadows(nearest, *rows(), 6, np.random.default_rng(0))
    assert shadows.readings.shape == (6, 120, 2)
    assert (shadows.members.sum(axis=0) == 3).all()


def test_recipe_that_remembers_is_found_out() -> None:
    """By attacks that know what is usual of a row, more than by the loss alone."""
    found = by_name(leaks(train_shadows(nearest, *rows(), 8, np.random.default_rng(0))))
    assert found["lira"].auc > 0.95 and found["rmia"].auc > 0.9
    assert found["lira"].found[0] > 0.5
    for leak in found.values():
        assert all(
            low <= share <= high
            for share, (low, high) in zip(leak.found, leak.intervals, strict=True)
        )


def test_recipe_that_forgets_is_not() -> None:
    """Chance is said to be chance: no attack finds more than its false alarms allow."""
    for leak in leaks(train_shadows(forgetful, *rows(), 8, np.random.default_rng(1))):
        assert abs(leak.auc - 0.5) < 0.08
        assert leak.intervals[0][0] < 0.03


def test_sureness_keeps_its_digits() -> None:
    """One minus a probability of nearly one is summed from the others."""
    sure = np.array([[1 - 1e-15, 1e-15, 0.0]])
    assert log_odds_of(sure, np.array([0]))[0] == pytest.approx(-np.log(1e-12), rel=0.05)


def test_every_model_is_given_the_poison() -> None:
    """Copies of the rows that are asked about, each with one wrong label."""
    (inputs, labels), met = rows(), []

    def watched(some: Array, wanted: Array, seed: int) -> Answer:
        met.append((some, wanted))
        return forgetful(some, wanted, seed)

    (first, *_) = poisoned_leaks(
        watched, inputs, labels, np.random.default_rng(2), copies=4, aimed=5, models=4
    )
    assert (first.members + first.others, len(met)) == (20, 4)
    for some, wanted in met:
        assert len(some) == 60 + 20
        true = {row.tobytes(): label for row, label in zip(inputs, labels, strict=True)}
        assert all(
            true[row.tobytes()] != label for row, label in zip(some[60:], wanted[60:], strict=True)
        )


def test_shadow_free_figures_count_what_they_rest_on() -> None:
    """Pairs of model and row."""
    rng = np.random.default_rng(3)
    members = halves(rng, 4, 50)
    crowd = Crowd(rng.standard_normal((50, 3)), rng.integers(2, size=50))
    (first, *_) = leaks(Shadows(rng.standard_normal((4, 50, 2)), members, crowd))
    assert (first.members, first.others) == (100, 100)


def test_shadows_tell_nothing_by_how_many_had_a_row() -> None:
    """A target whose readings mean nothing is told nothing of, though its other half is among the
    models.
    """
    rng = np.random.default_rng(6)
    members = halves(rng, 8, 2_000)
    readings = np.where(members[..., None], 3.0, -3.0) + rng.standard_normal((8, 2_000, 2))
    readings[0] = rng.standard_normal((2_000, 2))
    crowd = Crowd(rng.standard_normal((2_000, 3)), rng.integers(2, size=2_000))
    pulls = np.stack([crowd.pull(had.astype(float)) for had in members])
    for _, score in _scores(Shadows(readings, members, crowd), pulls, 0):
        ranks = score.argsort().argsort()
        # 58 are two deviations
        assert abs(ranks[members[0]].mean() - ranks[~members[0]].mean()) < 100


@pytest.mark.parametrize("screen", SCREENS)
def test_screens_find_poison_that_looks_like_nothing_else(screen: str) -> None:
    """A twentieth of a label's rows, moved the same way; and chance where nothing moved."""
    rng = np.random.default_rng(4)
    features = rng.standard_normal((400, 12))
    labels = np.repeat([0, 1], 200)
    poisoned = np.zeros(400, bool)
    poisoned[:10] = True
    assert found_by(SCREENS[screen](features, labels), poisoned) < 0.4
    features[poisoned] += 4
    assert found_by(SCREENS[screen](features, labels), poisoned) > 0.8


def test_poison_that_a_recipe_learns_by_heart_lies_apart_in_its_answers() -> None:
    """A screen of rows finds what chance finds; both say beside what that is, and on how many sets
    it rests.
    """

    def doubtful_of_twins(inputs: Array, labels: Array, seed: int) -> Answer:
        """Sure of a row's label, less so the more often it has the row."""
        known = {row.tobytes(): label for row, label in zip(inputs, labels, strict=True)}
        counts = {row.tobytes(): (inputs == row).all(axis=1).sum() for row in inputs}

        def answer(some: Array) -> Array:
            own = np.array([known.get(row.tobytes(), 0) for row in some])
            sure = np.array([0.9 if counts.get(row.tobytes(), 1) < 4 else 0.4 for row in some])[
                :, None
            ]
            return np.eye(3)[own] * sure + (1 - sure) / 3

        return answer

    found = privacy_of(doubtful_of_twins, *rows(400), models=6, seed=0)
    screens = {(each.screen, each.features): each for each in found.screens}
    assert set(screens) == {
        (screen, features) for screen in SCREENS for features in ("rows", "probabilities")
    }
    told = screens["spectral", "probabilities"]
    assert told.chance == pytest.approx(1.5 * 80 / 280) and told.sets == 4
    assert told.found > 0.8 and told.lowest <= told.found <= told.highest
    assert screens["spectral", "rows"].found < 0.65


def test_what_is_known_beside_stays() -> None:
    """A recipe's leaks are added to it."""
    beside = Privacy(copies=9)
    found = privacy_of(forgetful, *rows(), models=4, seed=0, beside=beside)
    assert (
        found.leaks
        and found.copies == 4
        and found.inversion is None
        and beside == Privacy(copies=9)
    )


def test_inversion_finds_what_the_class_looks_like() -> None:
    """The prototype of each class, from answers alone."""
    prototypes = np.random.default_rng(5).uniform(0, 1, (3, 10))

    def ask(inputs: Array) -> Answers:
        likely = np.exp(-((inputs[:, None] - prototypes) ** 2).sum(axis=2) * 4)
        likely /= likely.sum(axis=1, keepdims=True)
        return Answers(likely.argmax(axis=1), likely)

    domain = Domain(low=np.zeros(10), high=np.ones(10), start=np.full(10, 0.5))
    for label in range(3):
        found = invert(ask, domain, label, 2_000, np.random.default_rng(label))
        assert ((found - prototypes) ** 2).sum(axis=1).argmin() == label
        assert ((found >= 0) & (found <= 1)).all()
