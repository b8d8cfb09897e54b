"""The texts of a scenario: decks of tasks, and what ordinary people say as cover.

Two sources of one form, `Texts`: real prompts from a folder of prompt sets, or sentences of the
project's own making where there is none. A text that the ordinary traffic holds already is never
handed out, and none is handed out twice.
"""

import re
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Protocol

import polars as pl

from gamekeeper.simulate import decks, lexicon
from gamekeeper.simulate.voices import Person

PEOPLE = (
    ("benign_irc_ubuntu", "user_id", 0.968),
    ("benign_instructionwild", "topic", 0.016),
    ("benign_oasst_en_trees", "conv_id", 0.005),
    ("benign_awesome_prompts", "user_id", 0.011),
)
"""Prompt set, the column that says whose a prompt is, and its share among ordinary people: by size,
so that no set is used twice over.
"""
FEWEST_MESSAGES = 5
"""Of a person. An account made of people with one or two messages each is a deck dealt at random,
not a person, and detectors rightly say so.
"""
SHORTEST = 20
"""Characters of a message of a person."""
REAL_DECKS: Mapping[str, tuple[str, ...]] = {
    "instructions": ("attack_alpaca5k", "attack_alpaca_gpt4_en1k"),
    "code": ("attack_codealpaca", "attack_codealpaca2k"),
    "math": ("attack_math_mix", "attack_gsm8k_train"),
    "tools": ("attack_gpteacher_toolformer",),
    "exam": ("dual_mmlu", "dual_cmmlu_zh"),
    "questions": ("benign_xquad_questions",),
}
OWN_DECKS: Mapping[str, str] = {
    "instructions": "instruct",
    "code": "code",
    "math": "math",
    "tools": "tools",
    "exam": "quiz",
    "questions": "task",
}
"""Deck to the rule of the lexicon that makes it."""
DEMANDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "judge": {
        "en": (
            "Grade this answer for correctness, depth and style, 1 to 10. Only the number.\n\n"
            "Task: <q>\n\nAnswer: <a>",
        ),
        "zh": ("请按正确性、深度和文风给下面的回答打1到10分,只写分数。\n\n题目:<q>\n\n回答:<a>",),
    },
    "cot": {
        "en": (
            "<q>\n\nWrite down your whole reasoning, step by step, and answer at the end.",
            "<q>\n\nPlan, reason, check, and only then answer.",
            "Reason aloud before you answer.\n\n<q>",
        ),
        "zh": (
            "<q>\n\n请写出完整的推理过程,最后给出答案。",
            "<q>\n\n先计划,再推理,再检查,最后回答。",
        ),
    },
}
"""Demand and language to the forms a task `<q>`, and the answer `<a>` of another, is put in."""
FILLERS = {
    "en": [
        "just",
        "so",
        "well",
        "also",
        "please",
        "really",
        "maybe",
        "actually",
        "then",
        "simply",
        "now",
        "quite",
        "basically",
    ],
    "zh": ["请", "就", "也", "再", "那", "其实", "然后", "大概", "还"],
}
SENTENCE_END = re.compile(r"([.!?]+\s|[\n\u3002\uff01\uff1f]+)")
CHANGED = {"weak": 0.0, "middle": 0.2, "strong": 0.4}
"""Share of a sentence's words that go out, and of fillers that go in; at least one of each."""
FOLLOW_UPS = {
    "en": (
        "can you say more about {part}?",
        "why exactly {part}?",
        "what if not {part}?",
        "and is that always so with {part}?",
    ),
    "zh": ("为什么是{part}?", "再说说{part}", "如果不是{part}呢?"),
}


class Texts(Protocol):
    """Where the texts of a scenario come from."""

    def deck(self, name: str, language: str, count: int) -> list[str]:
        """Hands out `count` different tasks."""
        ...

    def talk(self, most: int) -> list[str]:
        """Hands out 1 to `most` consecutive messages of one person, another one each time."""
        ...

    def person(self, most: int) -> list[str]:
        """Hands out 1 to `most` messages of a person whom no one else gets."""
        ...


class RealTexts:
    """Prompts that people really sent.

    Args:
        folders: Where the prompt sets are.
        used: Texts that the traffic holds already.
        dice: Randomness.
    """

    def __init__(self, folders: Sequence[Path], used: Collection[str], dice: Random) -> None:
        self._folders = folders
        self._used = set(used)
        self._dice = dice
        self._sources = [deque(self._streams(stem, by)) for stem, by, _ in PEOPLE]
        self._shares = [share for _, _, share in PEOPLE]

    def deck(self, name: str, language: str, count: int) -> list[str]:
        """Hands out `count` different tasks."""
        frames = [self._read(stem, 12) for stem in REAL_DECKS[name]]
        texts = [text for f in frames for text in _of_language(f, language)["text"]]
        texts = [text for text in dict.fromkeys(texts) if text not in self._used]
        if len(texts) < count:
            raise SystemExit(f"deck {name} ({language}): {len(texts)} tasks, {count} wanted")
        taken = self._dice.sample(texts, count)
        self._used.update(taken)
        return taken

    def talk(self, most: int) -> list[str]:
        """Hands out 1 to `most` consecutive messages of one person."""
        source = self._source()
        stream = source.pop()
        taken = stream[:most]
        if len(stream) > most:
            source.appendleft(stream[most:])
        return taken

    def person(self, most: int) -> list[str]:
        """Hands out 1 to `most` messages of a person, and forgets the rest."""
        return self._source().pop()[:most]

    def _source(self) -> deque[list[str]]:
        shares = [s if source else 0 for s, source in zip(self._shares, self._sources, strict=True)]
        if not any(shares):
            raise SystemExit("no people are left for cover: compose smaller or with more data")
        return self._dice.choices(self._sources, shares)[0]

    def _streams(self, stem: str, by: str) -> list[list[str]]:
        # bases.py keeps people apart; where it has not, at least no text comes twice
        is_used = pl.col("text").is_in(list(self._used))
        texts = self._read(stem, SHORTEST).filter(pl.col(by).is_not_null(), ~is_used)
        if by == "topic":
            # people keep to their subjects, and now and then ask something else
            loose = pl.Series([self._dice.random() < 0.25 for _ in range(len(texts))])
            own = pl.lit("own ") + pl.int_range(pl.len()).cast(pl.String)
            texts = texts.with_columns(pl.when(loose).then(own).otherwise(pl.col(by)).alias(by))
        streams = texts.group_by(by, maintain_order=True).agg("text")["text"].to_list()
        self._dice.shuffle(streams)
        return streams

    def _read(self, stem: str, shortest: int) -> pl.DataFrame:
        for folder in self._folders:
            path = folder / f"{stem}.parquet"
            if path.exists():
                long = pl.col("text").str.len_chars() >= shortest
                return pl.read_parquet(path).filter(long).unique("text", maintain_order=True)
        raise SystemExit(f"no {stem}.parquet in {', '.join(map(str, self._folders))}")


class OwnTexts:
    """Sentences from the project's own grammars.

    Args:
        used: Texts that the traffic holds already.
        dice: Randomness.
    """

    def __init__(self, used: Collection[str], dice: Random) -> None:
        self._used = set(used)
        self._dice = dice

    def deck(self, name: str, language: str, count: int) -> list[str]:
        """Hands out `count` different tasks."""
        made = decks.make_deck(lexicon.load(language), OWN_DECKS[name], 2 * count, self._dice)
        fresh = [text for text in made if text not in self._used][:count]
        if len(fresh) < count:
            raise SystemExit(f"deck {name} ({language}): {len(fresh)} tasks, {count} wanted")
        self._used.update(fresh)
        return fresh

    def talk(self, most: int) -> list[str]:
        """Hands out `most` consecutive messages of one person."""
        return Person(lexicon.draw_language(self._dice), self._dice).conversation(most)

    def person(self, most: int) -> list[str]:
        """Hands out `most` messages of one person, of several conversations."""
        voice = Person(lexicon.draw_language(self._dice), self._dice)
        said: list[str] = []
        while len(said) < most:
            said += voice.conversation(min(self._dice.randint(1, 6), most - len(said)))
        return said


def dress(tasks: Sequence[str], demand: str, language: str, dice: Random) -> list[str]:
    """Puts each task into a form of a demand; a judge's answer is that to another task."""
    forms = DEMANDS[demand].get(language, DEMANDS[demand]["en"])
    return [dice.choice(forms).replace("<a>", dice.choice(tasks)).replace("<q>", t) for t in tasks]


def paraphrase(text: str, strength: str, dice: Random) -> str:
    """Puts fillers into every sentence and takes words out of it; meaning and order stay.

    Args:
        text: In words with spaces between them, or in Chinese.
        strength: `weak` (one word a sentence each way), `middle` or `strong`; see `CHANGED`.
        dice: Randomness.
    """
    gap = "" if _is_chinese(text) else " "
    parts = SENTENCE_END.split(text)  # sentences at even places, what ends them between
    parts[::2] = [_changed(part, gap, strength, dice) for part in parts[::2]]
    return "".join(parts)


def _changed(sentence: str, gap: str, strength: str, dice: Random) -> str:
    if not sentence.strip():
        return sentence
    words = sentence.split(gap) if gap else list(sentence)
    fillers = FILLERS["en" if gap else "zh"]
    for _ in range(max(1, round(CHANGED[strength] * len(words)))):
        if len(words) > 3:
            words.pop(dice.randrange(len(words)))
        words.insert(dice.randrange(len(words) + 1), dice.choice(fillers))
    return gap.join(words)


def follow_up(task: str, dice: Random) -> str:
    """Asks about a part of a task, as people do who have read an answer."""
    language = "zh" if _is_chinese(task) else "en"
    size = 8 if language == "zh" else 40
    begin = dice.randrange(max(1, len(task) - size))
    part = task[begin : begin + size]
    if language == "en":
        part = " ".join(part.split()[1:-1]) or part
    return dice.choice(FOLLOW_UPS[language]).format(part=part)


def _is_chinese(text: str) -> bool:
    return len(re.findall(r"[\u4e00-\u9fff]", text)) * 3 > len(text)


def _of_language(frame: pl.DataFrame, language: str) -> pl.DataFrame:
    return frame.filter(pl.col("lang") == language)
