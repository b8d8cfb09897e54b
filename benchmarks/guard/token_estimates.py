"""The table "Token estimates" in docs/measurements/guard-load.md: how far the guard's estimates of
tokens are from three real tokenizers, and what an estimate costs.

    python benchmarks/guard/token_estimates.py --litellm-python PYTHON

PYTHON is an interpreter with `litellm` installed, which brings the vocabulary of OpenAI's cl100k
and Anthropic's tokenizer of 2023; that of wordllama (Llama 2) comes with the guard. Texts are the
project's own: its documentation, its source, and paragraphs that were written for this table.
Nothing was fitted on them.
"""

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from timeit import repeat

from sentencepiece import SentencePieceProcessor

from gamekeeper.base.thirdparty import thirdparty_file
from gamekeeper.guard.budgets.token_estimate import estimate_tokens

ROOT = Path(__file__).parents[2]
PIECE = 2_000
PIECES = 40

PARAGRAPHS = {
    "Arabic": "ذهبت إلى السوق في الصباح واشتريت خبزا وزيتونا وجبنا. كان البائع يتحدث عن المطر الذي"
    " لم يأت هذا العام، وعن الأسعار التي ترتفع كل شهر. عدت إلى البيت وأعددت الغداء، ثم كتبت رسالة"
    " طويلة إلى أخي الذي يعمل مهندسا في مدينة بعيدة. سألته عن أولاده وعن البيت الجديد الذي بناه"
    " بجانب البحر.",
    "Chinese": "今天早上我去市场买了面包、鸡蛋和一些水果。卖水果的老人告诉我,今年夏天下雨很少,所以"
    "苹果比去年贵。回家以后我做了午饭,然后给在另一个城市工作的弟弟写了一封长信,问他的孩子是不是"
    "已经上学,新房子住得怎么样。下午我在图书馆读了一本关于机器学习的书,学会了怎样训练一个简单的"
    "分类模型。",
    "French": "Ce matin, je suis allé au marché pour acheter du pain, des œufs et quelques légumes."
    " Le vendeur m'a raconté que l'été avait été très sec et que les prix montaient chaque semaine."
    " De retour à la maison, j'ai préparé le déjeuner, puis j'ai écrit une longue lettre à mon"
    " frère, qui est ingénieur dans une ville éloignée.",
    "German": "Heute Morgen ging ich auf den Markt und kaufte Brot, Eier und Gemüse. Der Verkäufer"
    " erzählte, dass der Sommer sehr trocken gewesen sei und die Preise jede Woche stiegen. Zu Hause"
    " bereitete ich das Mittagessen vor und schrieb danach einen langen Brief an meinen Bruder, der"
    " als Ingenieur in einer weit entfernten Stadt arbeitet und gerade ein Haus gebaut hat.",
    "Hindi": "आज सुबह मैं बाज़ार गया और रोटी, अंडे और कुछ सब्ज़ियाँ खरीदीं। दुकानदार ने बताया कि इस साल बारिश"
    " बहुत कम हुई है और दाम हर हफ़्ते बढ़ रहे हैं। घर लौटकर मैंने खाना बनाया और फिर अपने भाई को एक लंबी चिट्ठी"
    " लिखी, जो दूर के एक शहर में इंजीनियर है।",
    "Japanese": "今朝、市場へ行ってパンと卵と野菜を買いました。店の人は、今年の夏は雨が少なかったので、"
    "りんごが去年より高いと話していました。家に帰って昼ご飯を作り、それから遠い町で技師として働いている"
    "弟に長い手紙を書きました。子どもたちはもう学校に通っているのか、新しい家はどうかとたずねました。",
    "Korean": "오늘 아침에 시장에 가서 빵과 달걀과 채소를 샀습니다. 가게 주인은 올해 여름에 비가 적게"
    " 와서 사과가 작년보다 비싸다고 말했습니다. 집에 돌아와 점심을 만들고, 먼 도시에서 기술자로 일하는"
    " 동생에게 긴 편지를 썼습니다.",
    "Polish": "Dziś rano poszedłem na targ i kupiłem chleb, jajka oraz trochę warzyw. Sprzedawca"
    " opowiadał, że lato było bardzo suche i że ceny rosną z tygodnia na tydzień. Po powrocie do domu"
    " przygotowałem obiad, a potem napisałem długi list do brata, który pracuje jako inżynier w"
    " odległym mieście.",
    "Portuguese": "Hoje de manhã fui ao mercado e comprei pão, ovos e alguns legumes. O vendedor"
    " contou que o verão foi muito seco e que os preços sobem todas as semanas. De volta a casa,"
    " preparei o almoço e depois escrevi uma longa carta ao meu irmão, que trabalha como engenheiro"
    " numa cidade distante.",
    "Russian": "Сегодня утром я пошёл на рынок и купил хлеб, яйца и немного овощей. Продавец"
    " рассказал, что лето было очень сухим и что цены растут каждую неделю. Вернувшись домой, я"
    " приготовил обед, а потом написал длинное письмо брату, который работает инженером в далёком"
    " городе и недавно построил дом.",
    "mathematics": "Let $f(x) = x^3 - 6x^2 + 11x - 6$. Show that $f(1) = f(2) = f(3) = 0$ and find"
    " $\\int_1^3 |f(x)|\\,dx$. If $a_n = \\frac{1}{n(n+1)}$ then $\\sum_{n=1}^{100} a_n = 1 -"
    " \\frac{1}{101}$. A train covers 240 km in 3.5 hours and 180 km in 2.25 hours; what is its mean"
    " speed over 420 km? Compute 17 * 23 - 4 * (19 + 6) / 5.\n",
}

# Runs where litellm is installed: texts on stdin, counts of both tokenizers on stdout.
COUNT = """
import base64, json, sys, tiktoken
from importlib.util import find_spec
from pathlib import Path
from tokenizers import Tokenizer
folder = Path(find_spec("litellm").origin).parent / "litellm_core_utils" / "tokenizers"
lines = (folder / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4").read_bytes().splitlines()
ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}
pattern = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+"
    r"|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s"
)
openai = tiktoken.Encoding("cl100k", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
anthropic = Tokenizer.from_file(str(folder / "anthropic_tokenizer.json"))
counts = [
    [len(openai.encode_ordinary(text)), len(anthropic.encode(text).ids)]
    for text in json.load(sys.stdin)
]
print(json.dumps(counts))
"""


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--litellm-python", required=True, metavar="PYTHON")
    texts = list(sources())
    python = parser.parse_args().litellm_python
    counted = subprocess.run(
        [python, "-c", COUNT],
        input=json.dumps([text for _, text in texts]),
        capture_output=True,
        text=True,
        check=True,
    )
    llama = llama_counts([text for _, text in texts])
    counts = [[*both, third] for both, third in zip(json.loads(counted.stdout), llama, strict=True)]
    print_errors([name for name, _ in texts], [text for _, text in texts], counts)
    print_costs()


def sources() -> Iterator[tuple[str, str]]:
    """Kind of text, text."""
    for kind, pattern in (("English", "docs/**/*.md"), ("Python", "src/**/*.py")):
        files = sorted(ROOT.glob(pattern))
        for file in random.Random(1).sample(files, min(PIECES, len(files))):
            yield kind, file.read_text()[:PIECE]
    parts = [
        {"id": n * 7919 % 9973, "name": f"part {n}", "price": n / 8, "tags": ["new", None]}
        for n in range(80)
    ]
    yield "JSON", json.dumps(parts)
    yield "JSON, indented", json.dumps(parts, indent=2)
    yield from PARAGRAPHS.items()


def llama_counts(texts: list[str]) -> list[int]:
    """Tokens by wordllama's vocabulary."""
    tokenizer = SentencePieceProcessor(model_file=str(thirdparty_file("wordllama.model")))
    return [len(ids) for ids in tokenizer.encode(texts)]


def print_errors(kinds: list[str], texts: list[str], counts: list[list[int]]) -> None:
    """One row for each kind of text: by how much the estimate is off."""
    print("| text | cl100k (OpenAI) | Anthropic, 2023 | Llama 2 |\n|---|---|---|---|")
    for kind in dict.fromkeys(kinds):
        own = [at for at, each in enumerate(kinds) if each == kind]
        estimate = sum(estimate_tokens(texts[at]) for at in own)
        errors = [estimate / sum(counts[at][by] for at in own) - 1 for by in range(3)]
        print(f"| {kind} | " + " | ".join(f"{error:+.0%}" for error in errors) + " |")


def print_costs() -> None:
    """Microseconds for texts of some sizes."""
    english = (ROOT / "docs" / "tutorial.md").read_text() * 600
    for name, text in (
        ("100 characters", english[:100]),
        ("1,000", english[:1_000]),
        ("1,000 of Chinese", (PARAGRAPHS["Chinese"] * 9)[:1_000]),
        ("60,000", english[:60_000]),
        ("4,000,000", english[:4_000_000]),
    ):
        times = 20 if len(text) > 10_000 else 2_000
        seconds = min(repeat(lambda text=text: estimate_tokens(text), number=times)) / times
        print(f"{name}: {1e6 * seconds:.1f} µs", file=sys.stderr)


if __name__ == "__main__":
    main()
