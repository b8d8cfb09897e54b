"""Simulated accounts: what an account is, and one function for each kind of ordinary account.

Each function draws the accounts of one household: accounts that belong together, for most kinds a
single one. Some kinds look coordinated and are not: an office shares its network and payment card,
a classroom and the evaluators of one benchmark share their tasks, a reseller passes on the prompts
of many persons, and the users of an agent framework share its system prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Protocol

import numpy as np

from gamekeeper.simulate import decks, lexicon
from gamekeeper.simulate.arrivals import (
    DAY_S,
    FloatArray,
    IntArray,
    Starts,
    burst_starts,
    run_starts,
    session_starts,
    unfold,
)
from gamekeeper.simulate.lexicon import Lexicon
from gamekeeper.simulate.network import Network
from gamekeeper.simulate.scene import Scene
from gamekeeper.simulate.voices import Customers, Person, RuleTester, Voice, own_names

FRAMEWORKS = (
    (
        "tools-7f3a",
        (
            "You act on your own until the job is finished. Decide on a step, call one of your"
            " tools, read what comes back, then decide again. Say DONE when nothing is left to do."
        ),
    ),
    (
        "tools-c019",
        (
            "You work inside a user's repository through a shell. Look before you change anything,"
            " keep edits small, and run the checks after every edit."
        ),
    ),
    (
        "tools-52de",
        (
            "Help the user with whatever is at hand. Search the notes first; if they are silent on"
            " the matter, admit it and do not invent anything."
        ),
    ),
)
TASK_LANGUAGES = ("en", "es", "de", "fr", "zh", "ru")  # those whose lexicon has a `task` rule
SCHOOL_DAYS = 6
QUIZ_LANGUAGES = ("en", "zh", "de", "en")  # one benchmark each
QUIZ_FAME = (5, 2, 1, 2)  # how often each is run


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedAccount:
    """One simulated account with all its calls, conversation after conversation.

    Args:
        kind: What the account is, as labelled.
        campaign: Its campaign, if it belongs to one.
        network: Where it calls from.
        times: Seconds from the start, shape (n,).
        turns: Turns of each conversation, shape (c,), summing to n.
        prompts: n messages; empty for a classifier's callers.
        features: Rows sent to a classifier, shape (n, columns); None for text.
        models: n model names.
        systems: n system prompts or None; empty if no call has one.
        output_tokens: Median length of an answer, in tokens.
        temperature: As asked for, or None for the default.
        tools: Hash of the tool schemas, or None.
        owner: Who answers for the account, where the log says so.
    """

    kind: str
    network: Network
    times: FloatArray
    turns: IntArray
    models: Sequence[str]
    campaign: str | None = None
    prompts: Sequence[str] = ()
    features: FloatArray | None = None
    systems: Sequence[str | None] = ()
    output_tokens: float = 180.0
    temperature: float | None = None
    tools: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallParameters:
    """The parameters that all calls of an account have in common, as in `SimulatedAccount`."""

    system: str | None = None
    output_tokens: float = 180.0
    temperature: float | None = None
    tools: str | None = None


class Household(Protocol):
    """A function that draws accounts which belong together; for most kinds a single one."""

    def __call__(self, scene: Scene) -> list[SimulatedAccount]:
        """Draws the accounts with all their calls."""
        ...


def person(scene: Scene) -> list[SimulatedAccount]:
    """Draws the account of one person."""
    turns = scene.split(scene.size(12, 0.85, 2, 200))
    voice = Person(lexicon.draw_language(scene.dice), scene.dice)
    return [
        _voiced(
            scene, "person", voice, turns, session_starts, scene.internet.join(), CallParameters()
        )
    ]


def app(scene: Scene) -> list[SimulatedAccount]:
    """Draws the account of one app, which sends the prompts of all its customers."""
    turns = scene.split(scene.size(85, 0.8, 15, 600), ends=0.8)
    voice = Customers(lexicon.draw_language(scene.dice), scene.dice)
    warmth = float(scene.rng.choice([0.0, 0.2, 0.3, 0.7]))
    parameters = CallParameters(system=voice.system, output_tokens=70, temperature=warmth)
    return [_voiced(scene, "app", voice, turns, burst_starts, scene.internet.join(), parameters)]


def framework(scene: Scene) -> list[SimulatedAccount]:
    """Draws the account of one user of a public agent framework: the framework's system prompt and
    the user's own interests.
    """
    turns = scene.split(scene.size(26, 0.8, 4, 250), ends=0.3)
    tools, system = FRAMEWORKS[int(scene.rng.integers(len(FRAMEWORKS)))]
    parameters = CallParameters(system=system, temperature=0.0, tools=tools, output_tokens=220)
    voice = Person(lexicon.draw_language(scene.dice), scene.dice)
    return [
        _voiced(scene, "framework", voice, turns, session_starts, scene.internet.join(), parameters)
    ]


def office(scene: Scene) -> list[SimulatedAccount]:
    """Draws the accounts of colleagues: they share network, payment card and language, and have a
    topic and a project in common.
    """
    site = scene.internet.join()
    speech = lexicon.draw_language(scene.dice)
    topic = scene.dice.choice(list(speech.topics))
    project = own_names(speech, scene.dice, 1)
    accounts = []
    for _ in range(int(scene.rng.integers(6, 25))):
        voice = Person(speech, scene.dice, topic=topic, names=project)
        network = scene.internet.at_site(site, is_paid_by_site=True)
        turns = scene.split(scene.size(12, 0.8, 2, 120))
        accounts.append(
            _voiced(scene, "office", voice, turns, session_starts, network, CallParameters())
        )
    return accounts


class Student:
    """A student who works through the task sheet of a class in an order of their own, and sometimes
    asks a follow-up question.

    Args:
        sheet: Tasks of the whole class.
        speech: The student's language.
        scene: Source of randomness.
    """

    def __init__(self, sheet: Sequence[str], speech: Lexicon, scene: Scene) -> None:
        self._tasks = cycle(scene.dice.sample(sheet, len(sheet)))
        self._person = Person(speech, scene.dice)

    def conversation(self, turns: int) -> list[str]:
        """Asks the next task, then `turns - 1` questions in the student's own words."""
        return [next(self._tasks), *self._person.conversation(turns)[1:]]


def classroom(scene: Scene) -> list[SimulatedAccount]:
    """Draws the accounts of a class that works on one task sheet in one week, from one network."""
    site = scene.internet.join()
    speech = lexicon.load(scene.dice.choice(TASK_LANGUAGES))
    sheet = decks.make_deck(speech, "task", 40, scene.dice)
    week = float(scene.rng.integers(0, max(1, scene.days - SCHOOL_DAYS)))
    return [
        _student(scene, site, speech, sheet, week) for _ in range(int(scene.rng.integers(15, 40)))
    ]


def _student(
    scene: Scene, site: Network, speech: Lexicon, sheet: Sequence[str], week: float
) -> SimulatedAccount:
    voice = Student(sheet, speech, scene)
    turns = scene.split(int(scene.rng.integers(8, 40)), ends=0.9)
    starts = session_starts(scene.rng, len(turns), min(SCHOOL_DAYS, scene.days)) + week * DAY_S
    opened_s = (week - scene.rng.uniform(0, 3)) * DAY_S  # for this lesson
    network = replace(scene.internet.at_site(site, is_paid_by_site=False), created_s=opened_s)
    return _account(scene, "classroom", voice, turns, starts, network, CallParameters())


@dataclass(slots=True)
class Benchmarks:
    """The public benchmarks of one simulation; evaluators of the same benchmark share its items.

    The items of a benchmark are made when its first evaluator is drawn.
    """

    items: int = 600
    _decks: dict[int, list[str]] = field(default_factory=dict)

    def __call__(self, scene: Scene) -> list[SimulatedAccount]:
        """Draws the account of one evaluator, which runs a part of one benchmark once."""
        number = scene.dice.choices(range(len(QUIZ_LANGUAGES)), QUIZ_FAME)[0]
        deck = self._deck(number, scene)
        count = int(scene.rng.integers(150, 500))
        begin = int(scene.rng.integers(len(deck)))
        items = [deck[(begin + i) % len(deck)] for i in range(count)]
        turns = np.ones(count, np.int64)
        times = run_starts(scene.rng, count, scene.days)
        return [
            SimulatedAccount(
                kind="evaluator",
                network=scene.internet.join(),
                times=times,
                turns=turns,
                models=scene.habitual_models(times[:1]) * count,
                prompts=items,
                output_tokens=4,
                temperature=0.0,
            )
        ]

    def _deck(self, number: int, scene: Scene) -> list[str]:
        if number not in self._decks:
            speech = lexicon.load(QUIZ_LANGUAGES[number])
            self._decks[number] = decks.make_deck(speech, "quiz", self.items, scene.dice)
        return self._decks[number]


def reseller(scene: Scene) -> list[SimulatedAccount]:
    """Draws one account that passes on the prompts of many persons, each with habits of their own
    and some with a preset system prompt.
    """
    turns = scene.split(scene.size(420, 0.3, 200, 800))
    people = [
        Person(lexicon.draw_language(scene.dice), scene.dice) for _ in range(len(turns) // 4 + 1)
    ]
    presets = [_preset(scene) for _ in people]
    who = scene.rng.integers(0, len(people), len(turns))
    prompts = [
        text for i, n in zip(who, turns, strict=True) for text in people[i].conversation(int(n))
    ]
    times = unfold(scene.rng, burst_starts(scene.rng, len(turns), scene.days), turns, scene.days)
    return [
        SimulatedAccount(
            kind="reseller",
            network=scene.internet.join(),
            times=times,
            turns=turns,
            models=[
                str(model) for model in scene.rng.choice(["atlas-large", "atlas-small"], len(times))
            ],
            prompts=prompts,
            systems=[presets[i] for i in np.repeat(who, turns)],
        )
    ]


def _preset(scene: Scene) -> str | None:
    if scene.dice.random() < 0.5:
        return None
    return lexicon.load("en").base.expand("{preamble}", scene.dice)


def redteam(scene: Scene) -> list[SimulatedAccount]:
    """Draws the account of a person who tests the model's rules."""
    turns = scene.split(scene.size(50, 0.5, 25, 140), ends=0.22)
    voice = RuleTester(lexicon.draw_language(scene.dice), scene.dice)
    return [
        _voiced(
            scene, "redteam", voice, turns, session_starts, scene.internet.join(), CallParameters()
        )
    ]


def _voiced(
    scene: Scene,
    kind: str,
    voice: Voice,
    turns: IntArray,
    starts: Starts,
    network: Network,
    parameters: CallParameters,
) -> SimulatedAccount:
    return _account(
        scene, kind, voice, turns, starts(scene.rng, len(turns), scene.days), network, parameters
    )


def _account(
    scene: Scene,
    kind: str,
    voice: Voice,
    turns: IntArray,
    starts: FloatArray,
    network: Network,
    parameters: CallParameters,
) -> SimulatedAccount:
    times = unfold(scene.rng, np.sort(starts), turns, scene.days)
    return SimulatedAccount(
        kind=kind,
        network=network,
        times=times,
        turns=turns,
        models=scene.habitual_models(times),
        prompts=[text for n in turns for text in voice.conversation(int(n))],
        systems=[parameters.system] * len(times),
        output_tokens=parameters.output_tokens,
        temperature=parameters.temperature,
        tools=parameters.tools,
    )
