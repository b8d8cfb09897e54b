"""`gamekeeper he`: answer inputs that the server cannot read."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

if TYPE_CHECKING:
    from gamekeeper.errors import InputError
    from gamekeeper.guard.assembly import Guard
    from gamekeeper.guard.policy import GuardPolicy
    from gamekeeper.sealing.encrypted.client import Client
    from gamekeeper.sealing.encrypted.compiling import Options
    from gamekeeper.sealing.encrypted.model import CompiledModel, Description
    from gamekeeper.sealing.encrypted.network import Array

NAME = "he"
SCHEMA = "gamekeeper/he@1"
KEY = "GAMEKEEPER_KEY"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Answer inputs that the server cannot read (extra `he`). It does not stop extraction by queries.",
    epilog="Start: gamekeeper he compile model.joblib --trust-file --inputs pool.csv --out scoring.he",
)

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Nothing on standard error.")]
Debug = Annotated[bool, typer.Option("--debug", hidden=True)]
Packing = Literal["latency", "batched"]

_TIMEOUT_S = 120
_MOST_ANSWER_BYTES = 256 << 20


@app.command(name="compile")
def compile_(
    inputs: Annotated[Path, typer.Option(help="Rows such as it will be asked: CSV, .npy, .json; a header is names.")],
    out: Annotated[Path, typer.Option(help="File to write, with the weights: for the server alone.")],
    model: Annotated[
        Path | None, typer.Argument(help="Pickled estimator of scikit-learn, or torch.nn.Sequential saved whole.")
    ] = None,
    trust_file: Annotated[
        bool, typer.Option("--trust-file", help="Read a pickled model, which runs what stands in the file.")
    ] = False,
    labels: Annotated[
        Path | None, typer.Option(help="True classes of the rows, whole numbers from 0: to train towards, to compare.")
    ] = None,
    hidden: Annotated[
        list[int] | None, typer.Option(help="Without a model: train one from --labels with so many units. Repeat.")
    ] = None,
    packing: Annotated[Packing, typer.Option(help="latency: few rows a request; batched: thousands.")] = "latency",
    rows: Annotated[
        int | None, typer.Option(help="Rows that fit into a request, a power of two. Default: what fits.")
    ] = None,
    error: Annotated[float, typer.Option(help="Largest error of a score; noise of that size hides weights.")] = 1e-3,
    strong: Annotated[
        bool, typer.Option("--strong", help="Larger ring: noise hides more, at three times the time.")
    ] = False,
    low: Annotated[
        float | None, typer.Option(help="With --high: range of every input. Default: what inputs show.")
    ] = None,
    high: Annotated[float | None, typer.Option(help="See --low.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the model. Default: the name of --out.")] = None,
    epochs: Annotated[
        int, typer.Option(help="Of training a network of squares; 0 only fits its activations.", min=0)
    ] = 60,
    seed: Annotated[int, typer.Option(help="Of training.")] = 0,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make a model answerable on encrypted input, and say what that costs in accuracy.

    Linear models stay as they are. Activations of networks become squares: fitted where --inputs put them, then
    trained towards the original's answers. The description that clients get has no weights, but shows the range of
    each input.

    Examples:

      gamekeeper he compile model.joblib --trust-file --inputs pool.csv --out scoring.he

      gamekeeper he compile --inputs pool.npy --labels labels.csv --hidden 32 --packing batched --out scoring.he
    """
    from gamekeeper.sealing.encrypted.model import write_model

    options = _options(name or out.stem, packing, rows, error, strong, low, high, epochs, seed)
    made = _compiled(model, trust_file, inputs, labels, hidden or [], options)
    write_model(made, out)
    fields = {"model": str(out), "flood_bits": made.flood_bits, "report": made.report, **_costs(made)}
    if json:
        _print_json({"compiled": fields})
    else:
        print("\n".join(_report_lines(made)))
    if not quiet:
        typer.echo("\n".join(_warnings(made)), err=True)


@app.command()
def serve(
    models: Annotated[list[Path], typer.Argument(help="Files that `he compile` wrote; each is served by its name.")],
    state: Annotated[
        str | None, typer.Option(help="Folder of the guard's state, with its keys; else the policy's.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file of the guard; see docs/reference/policy.md.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8_330,
    enforce: Annotated[bool, typer.Option("--enforce", help="Act on the guard's verdicts too.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Answer encrypted input over HTTP, behind the guard's keys and a hard budget of rows each.

    Only keys with a budget of rows are answered, and without one such key it does not start. A request is charged the
    rows that it asks for before it is answered; budgets are for a key's whole life.

    Examples:

      gamekeeper keys issue acme --encrypted-rows 50 --expires 90d

      gamekeeper he serve scoring.he --port 8330
    """
    import sys

    from gamekeeper.guard.server import run

    served = _read_models(models)
    read = _policy(policy, state, enforce)

    def told(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    run(_serve(served, read, host, port, told))


@app.command()
def keys(
    url: Annotated[str, typer.Argument(help="Of the model: http://HOST:PORT/v2/encrypted/NAME")],
    out: Annotated[Path, typer.Option(help="Folder for secret.key, which stays here, and public.keys.")] = Path(
        "he-keys"
    ),
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make a client's keys for a model. The secret key decrypts the answers, and never leaves the folder.

    Example:

      gamekeeper he keys http://127.0.0.1:8330/v2/encrypted/scoring --out he-keys
    """
    from gamekeeper.sealing.encrypted.client import Client

    client = Client(_description(url))
    client.save(out)
    if json:
        _print_json({"keys": {"folder": str(out), "public_bytes": len(client.keys())}})
    elif not quiet:
        typer.echo(f"{out / 'secret.key'} is for you alone; {len(client.keys()):,} bytes go to the server", err=True)


@app.command()
def query(
    url: Annotated[str, typer.Argument(help="Of the model: http://HOST:PORT/v2/encrypted/NAME")],
    inputs: Annotated[Path, typer.Option(help="Rows: CSV, .npy or .json.")],
    out: Annotated[Path | None, typer.Option(help="File for the scores: .csv, .npy or .json. Default: print.")] = None,
    keys: Annotated[Path | None, typer.Option(help="Folder of `he keys`. Default: keys for this once.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help=f"File with the API key. Default: environment variable {KEY}.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Ask with encrypted rows; print labels, or scores where there are none.

    Inputs beyond the model's range are clipped to it, and counted. Scores are for you: do not show them unrounded to
    others, for the noise in them tells of your secret key (Li and Micciancio 2021).

    Examples:

      GAMEKEEPER_KEY=$(cat api.key) gamekeeper he query http://127.0.0.1:8330/v2/encrypted/scoring --inputs rows.csv

      gamekeeper he query URL --inputs rows.npy --keys he-keys --key-file api.key --out scores.csv
    """
    from gamekeeper.sealing.encrypted.client import Client

    description, (rows, _) = _description(url), _read_rows(inputs)
    client = Client(description) if keys is None else Client.load(description, keys)
    got = _asked(url, client, rows, _api_key(key_file))
    scores = got.scores
    labels = _labels(description, scores)
    if out is not None:
        _write_scores(out, scores, labels)
    if json:
        _print_json({"scores": scores.tolist(), "labels": labels, "rows_charged": got.charged, "clipped": got.clipped})
    elif out is None:
        print("\n".join(labels or [",".join(f"{score:.4f}" for score in row) for row in scores]))
    if not quiet:
        told = f"{len(scores)} of {len(rows)} rows answered, {got.charged} charged"
        typer.echo(f"{told}, {got.clipped} numbers clipped to the range", err=True)
    if got.fault is not None:
        raise got.fault  # what was answered before it has been charged, and is not lost


def _options(
    name: str,
    packing: Packing,
    rows: int | None,
    error: float,
    strong: bool,
    low: float | None,
    high: float | None,
    epochs: int,
    seed: int,
) -> "Options":
    from gamekeeper.errors import UsageError
    from gamekeeper.sealing.encrypted.compiling import Options
    from gamekeeper.sealing.encrypted.fitting import Training

    if (low is None) != (high is None) or (low is not None and high is not None and not low < high):
        raise UsageError("--low and --high come together, the lower first")
    if not 0 < error < 1e6:
        raise UsageError("--error is a number above 0, in units of a score")
    span = None if low is None or high is None else (low, high)
    training = Training(epochs=epochs, seed=seed) if epochs else None
    return Options(name=name, packing=packing, rows=rows, error=error, strong=strong, range=span, training=training)


def _compiled(
    model: Path | None, trust_file: bool, inputs: Path, labels: Path | None, hidden: list[int], options: "Options"
) -> "CompiledModel":
    from dataclasses import replace

    from gamekeeper.errors import UsageError
    from gamekeeper.sealing.encrypted.compiling import compiled, trained_model

    if (model is None) == (not hidden):
        raise UsageError("name a model, or let one be trained: --hidden UNITS --labels FILE")
    values, features = _read_rows(inputs)
    known = None if labels is None else _read_rows(labels)[0].astype("int64").reshape(-1)
    options = replace(options, features=features)
    if model is not None:
        return compiled(_model(model, trust_file), values, options, known)
    if known is None:
        raise UsageError("--hidden wants --labels, the true classes of the rows")
    return trained_model(values, known, hidden, options)


def _model(path: Path, trust_file: bool) -> Any:
    from gamekeeper.errors import UsageError

    if not trust_file:
        raise UsageError(f"reading {path} runs what stands in it; if it is your own, say --trust-file")
    try:
        if path.suffix in (".pt", ".pth"):
            import torch

            return torch.load(path, weights_only=False, map_location="cpu")
        import joblib

        return joblib.load(path)  # reads plain pickles too
    except Exception as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}"[:200], "a pickled model") from error


def _costs(made: "CompiledModel") -> dict[str, Any]:
    layout = made.description.layout
    return {
        "packing": layout.packing,
        "rows": layout.rows,
        "parts": layout.parts,
        "degree": made.description.parameters.degree,
        "error": made.description.error,
        "determining_rows": made.network.determining_rows,
    }


def _report_lines(made: "CompiledModel") -> Iterator[str]:
    network, costs = made.network, _costs(made)
    shape = "-".join(map(str, [network.inputs, *(len(layer.bias) for layer in network.layers)]))
    yield f"{made.description.name}: {shape}, {costs['packing']}, up to {costs['rows']} rows a request"
    for name, value in made.report.items():
        if isinstance(value, float | int):
            yield f"  {name.replace('_', ' '):<20}{value:.4g}"
    for at, error in enumerate(made.report.get("activation_errors", [])):
        yield f"  {f'activation {at + 1}':<20}{error:.3f} of its deviation, before training"
    yield f"  {'noise over weights':<20}{made.flood_bits:.1f} bits for one answer, half a bit less for twice as many"


def _warnings(made: "CompiledModel") -> Iterator[str]:
    rows = made.network.determining_rows
    yield "Encryption does not stop extraction by queries: whoever is answered learns f(x), and with it f."
    yield f"  {made.description.name} has as many parameters as {rows:,} answers have numbers: {rows:,} rows copy it"
    if made.network.hidden == 0:
        yield f"  (a linear model with {made.network.inputs} inputs is determined by {rows:,} answers)"
    yield "What is encrypted cannot be looked at: signals of content are blind, and no defence touches the scores."
    yield f"So serve it under a hard budget a key for its life: well below {rows:,} rows, one person's keys together."
    yield "  (a copy that is merely good takes fewer: gamekeeper audit says how many)"


def _read_models(paths: Sequence[Path]) -> "dict[str, CompiledModel]":
    from gamekeeper.errors import UsageError
    from gamekeeper.sealing.encrypted.model import read_model

    read = [read_model(path) for path in paths]
    named = {model.description.name: model for model in read}
    if len(named) != len(read):
        raise UsageError("two models have one name; compile one of them with --name")
    return named


def _policy(path: Path | None, state: str | None, enforce: bool) -> "GuardPolicy":
    from gamekeeper.errors import UsageError
    from gamekeeper.guard.policy import GuardPolicy, Identity, read_policy

    read = read_policy(path) if path else GuardPolicy(identity=Identity(modes=("keys",)))
    if read.identity.modes != ("keys",) or read.state.redis is not None:
        raise UsageError(
            '`he serve` wants identity.modes = ["keys"], and a folder of state: budgets of rows are its keys\''
        )
    folder = {"folder": state} if state is not None else {}
    return read.model_copy(update={"enforce": read.enforce or enforce, "state": read.state.model_copy(update=folder)})


async def _serve(
    models: "dict[str, CompiledModel]", policy: "GuardPolicy", host: str, port: int, told: Callable[[str], None]
) -> None:
    from gamekeeper.guard.assembly import Guard
    from gamekeeper.guard.proxy import until_signalled
    from gamekeeper.guard.server import listening
    from gamekeeper.sealing.encrypted.app import EncryptedApp
    from gamekeeper.sealing.encrypted.server import Server

    encrypted = EncryptedApp({name: Server(model) for name, model in models.items()})
    guard = Guard(policy, told=told)
    try:
        _require_budgets(guard, models, policy, told)
        await guard.start()
    except BaseException:
        guard.casebook.close()
        guard.store.close()
        raise
    try:
        async with listening(guard.encrypted_door(encrypted), host, port, policy.limits) as at:
            for name, model in models.items():
                told("\n".join(_warnings(model)))
                told(f"answering {name} at http://{host}:{at}/v2/encrypted/{name}")
            await until_signalled()
    finally:
        await guard.stop()


def _require_budgets(
    guard: "Guard", models: "dict[str, CompiledModel]", policy: "GuardPolicy", told: Callable[[str], None]
) -> None:
    """Raises unless some key has a budget of rows; names the keys whose budgets would let them copy a model."""
    from gamekeeper.errors import UsageError

    records = [] if guard.keys is None else [record for record in guard.keys.list() if record.revoked is None]
    budgets = {record.id: record.budget.rows for record in records if record.budget.rows is not None}
    if not budgets:
        issue = f"gamekeeper keys issue ACCOUNT --encrypted-rows ROWS --state {policy.state.folder}"
        raise UsageError(f"no key has a budget of rows, and none is answered without; make one: {issue}")
    least = min(model.network.determining_rows for model in models.values())
    for id, rows in budgets.items():
        if rows >= least:
            told(f"warning: key {id} may ask {rows:,} rows, and {least:,} determine a model that is served")
    if (total := sum(budgets.values())) >= least:
        told(f"warning: all keys together may ask {total:,} rows; whoever holds several may put answers together")


class _Got(NamedTuple):
    """Scores of the rows that were answered, and the fault that ended it."""

    scores: "Array"
    charged: int
    clipped: int
    fault: "InputError | None"


def _asked(url: str, client: "Client", rows: "Array", key: str) -> _Got:
    import numpy as np

    from gamekeeper.errors import InputError

    headers, layout = {"authorization": f"Bearer {key}"}, client.description.layout
    scores, charged, clipped, fault = [np.zeros((0, layout.classes))], 0, 0, None
    _http("PUT", f"{url}/keys", client.keys(), headers)
    for chunk in _chunks(rows, layout.rows, padded=layout.is_batched):
        asked = client.encrypt(chunk)
        try:
            answer = _http("POST", f"{url}/infer", asked.message, headers)
        except InputError as error:
            fault = error
            break
        scores.append(client.decrypt(answer, asked))
        charged, clipped = charged + asked.rows, clipped + asked.clipped
    return _Got(np.concatenate(scores), charged, clipped, fault)


def _chunks(rows: "Array", capacity: int, *, padded: bool) -> "Iterator[Array]":
    """Rows by requests. Powers of two are charged as they are; a batch is dear to compute, and is filled up instead."""
    begin = 0
    while begin < len(rows):
        left = len(rows) - begin
        size = min(capacity, left if padded else 1 << (left.bit_length() - 1))
        yield rows[begin : begin + size]
        begin += size


def _http(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> bytes:
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    if not url.startswith(("http://", "https://")):
        raise _unreadable(url, "no URL of HTTP", "http://HOST:PORT/v2/encrypted/NAME")
    binary = {"content-type": "application/octet-stream"} if body is not None else {}
    try:
        with urlopen(Request(url, data=body, headers=headers | binary, method=method), timeout=_TIMEOUT_S) as answer:
            read: bytes = answer.read(_MOST_ANSWER_BYTES)
            return read
    except HTTPError as error:
        raise _unreadable(url, f"{error.code}: {_message(error.read(1 << 16))}", "an answer") from None
    except (URLError, TimeoutError, OSError) as error:
        raise _unreadable(url, str(getattr(error, "reason", error)), "a server: gamekeeper he serve") from error


def _message(body: bytes) -> str:
    import orjson

    try:
        return str(orjson.loads(body)["error"]["message"])[:300]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return body[:100].decode("latin-1")


def _description(url: str) -> "Description":
    import orjson

    from gamekeeper.sealing.encrypted.model import read_description

    try:
        fields = orjson.loads(_http("GET", url, None, {}))
    except orjson.JSONDecodeError:
        raise _unreadable(url, "no JSON", "the description of a model") from None
    return read_description(fields, url)


def _api_key(path: Path | None) -> str:
    import os

    from gamekeeper.errors import UsageError

    try:
        key = path.read_text(encoding="ascii") if path else os.environ.get(KEY, "")
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error), "a file with an API key") from error
    if not key.strip():
        raise UsageError(f"no API key: put it into the environment variable {KEY}, or name its file with --key-file")
    return key.strip()


def _labels(description: "Description", scores: "Array") -> list[str]:
    return [description.labels[at] for at in scores.argmax(axis=1)] if description.labels else []


def _read_rows(path: Path) -> "tuple[Array, tuple[str, ...]]":
    """Rows of numbers, and the names of their columns where a CSV has a header."""
    import numpy as np
    import orjson

    names: tuple[str, ...] = ()
    try:
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        elif path.suffix == ".json":
            values = np.asarray(orjson.loads(path.read_bytes()), np.float64)
        else:
            values, names = _read_csv(path)
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(path, str(error)[:200], "rows of numbers: CSV, .npy or .json") from error
    shaped = values.reshape(-1, 1) if values.ndim == 1 else values
    if shaped.ndim != 2 or not shaped.size:
        raise _unreadable(path, f"shape {values.shape}", "rows of numbers")
    return shaped.astype(np.float64), names


def _read_csv(path: Path) -> "tuple[Array, tuple[str, ...]]":
    import numpy as np

    with path.open(encoding="utf-8") as file:
        first = file.readline().strip().split(",")
    names = () if all(_is_number(cell) for cell in first) else tuple(cell.strip() for cell in first)
    return np.loadtxt(path, delimiter=",", skiprows=int(bool(names)), ndmin=2), names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _write_scores(path: Path, scores: "Array", labels: list[str]) -> None:
    import numpy as np
    import orjson

    if path.suffix == ".npy":
        np.save(path, scores)
    elif path.suffix == ".json":
        path.write_bytes(orjson.dumps({"schema": SCHEMA, "scores": scores.tolist(), "labels": labels}))
    else:
        lines = [",".join([*([label] if labels else []), *map(repr, row)]) for label, row in _lines(labels, scores)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lines(labels: list[str], scores: "Array") -> "Iterator[tuple[str, list[float]]]":
    yield from zip(labels or [""] * len(scores), scores.tolist(), strict=True)


def _unreadable(where: object, found: str, expected: str) -> "InputError":
    from gamekeeper.errors import Fault, InputError

    return InputError([Fault(where=str(where), problem="cannot be used", found=found, expected=expected)])


def _print_json(fields: dict[str, Any]) -> None:
    import orjson

    print(orjson.dumps({"schema": SCHEMA, **fields}, option=orjson.OPT_INDENT_2).decode())
