"""What `gamekeeper seal`, `inspect`, `open` and `verify sealed` are asked, and what is right."""

import model_files as files
import models
from checks import exits, is_absent, is_in_form, is_there, same_bytes, says, says_not
from questions import Check, Question

KEYS = (
    "test -e serving.pem || { gamekeeper keypair serving.pem"
    " && gamekeeper keypair owner.pem --signing; }",
)
TO = "--to serving.pub.pem"
FORM = is_in_form()
SEALED = (FORM, exits(0))


def refused(names: str, sealed: str, code: int = 3) -> tuple:
    """Refused, with the reason, and nothing is written."""
    return (FORM, exits(code), says(names), is_absent(sealed))


def hub_questions() -> list[Question]:
    """A folder of a hub, from sealing to opening."""
    given = {"make": files.hub, "before": KEYS}
    return [
        Question(
            model="Hub folder: two shards, tokenizer, auto_map with .py, chat template",
            command=f"gamekeeper seal model {TO} --sign owner.pem",
            right="sealed; says that a .py file and a chat template are in it",
            checks=(*SEALED, is_there("model.sealed"), says(r"modeling_own\.py"), says("template")),
            shown="template",
            **given,
        ),
        Question(
            model="the same: inspect",
            command="gamekeeper inspect model.sealed --key serving.pem",
            right="lists all ten files with types and tensors, and what a loader may run",
            checks=(
                *SEALED,
                says(r"layer\.0\s+F32 \[40, 8\]"),
                Check("ten files", lambda printed: printed.out.count("\n  file  ") == 10),
                says(r"note.*modeling_own\.py"),
            ),
            shown="note",
            **given,
        ),
        Question(
            model="the same: verify without a key",
            command="gamekeeper verify sealed model.sealed --signer owner.pub.pem",
            right="valid: anyone who stores it can check it",
            checks=(*SEALED, says("valid|authentic|every|holds"), says_not("not valid|invalid")),
            **given,
        ),
        Question(
            model="the same: open",
            command="gamekeeper open model.sealed --key serving.pem --signer owner.pub.pem --out back",
            right="byte for byte what was sealed",
            checks=(*SEALED, same_bytes("model", "back")),
            **given,
        ),
        Question(
            model="the same, a byte changed: verify",
            command="cp model.sealed bad.sealed; printf X | dd of=bad.sealed bs=1 conv=notrunc"
            " seek=$(($(stat -c %s bad.sealed) / 2)) 2>/dev/null;"
            " gamekeeper verify sealed bad.sealed --signer owner.pub.pem",
            right="not valid, exit 1",
            checks=(FORM, exits(1), says("not authentic|changed|tampered|not valid|damaged")),
            **given,
        ),
    ]


def checkpoint_questions() -> list[Question]:
    """A trainer's checkpoint, whose pickles are left out or named."""
    given = {"make": files.checkpoint, "before": KEYS}
    pickles = "--ignore training_args.bin --ignore 'optimizer.pt' --ignore scheduler.pt"
    return [
        Question(
            model="Trainer checkpoint: training_args.bin, optimizer.pt, scheduler.pt",
            command=f"gamekeeper seal checkpoint-500 {TO}",
            right="refused, all three named, nothing written; says how to leave out or allow",
            checks=(
                *refused(r"training_args\.bin", "checkpoint-500.sealed"),
                says(r"optimizer\.pt"),
                says(r"scheduler\.pt"),
                says("--ignore"),
                says("--allow"),
            ),
            **given,
        ),
        Question(
            model="the same with --ignore",
            command=f"gamekeeper seal checkpoint-500 {TO} {pickles}",
            right="sealed without them",
            checks=(*SEALED, is_there("checkpoint-500.sealed")),
            **given,
        ),
        Question(
            model="the same with --allow, inspected",
            command=f"gamekeeper seal checkpoint-500 {TO} --force --allow '*.pt' --allow training_args.bin"
            " && gamekeeper inspect checkpoint-500.sealed --key serving.pem",
            right="sealed; inspect says which were allowed by name and not examined",
            checks=(
                *SEALED,
                says(r"note.*(allow|examin)"),
                says(r"note.*training_args\.bin"),
                says(r"note.*optimizer\.pt"),
            ),
            shown=r"note.*training_args",
            **given,
        ),
    ]


def format_questions() -> list[Question]:
    """Formats of one file that are parsed, and what they contain."""
    sealed = (*SEALED, says("sealed for"))
    gguf = Question(
        model="GGUF",
        make=files.gguf,
        command=f"gamekeeper seal model.gguf {TO} && gamekeeper inspect model.gguf.sealed --key serving.pem",
        right="sealed, alone; says that its chat template may run",
        checks=(*sealed, says(r"note.*model\.gguf.*template")),
        shown=r"note",
        before=KEYS,
    )
    return [
        gguf,
        Question(
            model="XGBoost, native .json",
            make=models.xgboost_classifier,
            command=f"gamekeeper seal model.json {TO}",
            right="sealed, alone",
            checks=sealed,
            before=KEYS,
        ),
        Question(
            model="LightGBM, .txt",
            make=models.lightgbm_text,
            command=f"gamekeeper seal model.txt {TO}",
            right="sealed, alone",
            checks=sealed,
            before=KEYS,
        ),
        Question(
            model="Keras 3 with a Lambda layer",
            make=files.keras("lambda"),
            command=f"gamekeeper seal model.keras {TO}",
            right="sealed; says that a Lambda layer is in it",
            checks=(*sealed, says("Lambda")),
            shown="Lambda",
            before=KEYS,
        ),
        Question(
            model="Keras 3 without one",
            make=files.keras("dense"),
            command=f"gamekeeper seal model.keras {TO}",
            right="sealed; says nothing of code",
            checks=(*sealed, says_not("Lambda|may run|code")),
            before=KEYS,
        ),
        Question(
            model="safetensors with empty tensors and F8_E4M3FNUZ, F8_E5M2FNUZ",
            make=files.unusual_tensors,
            command=f"gamekeeper seal model.safetensors {TO} --quiet && python load.py",
            right="sealed; all six by torch, by numpy the four of types that it has; elements equal",
            checks=(*SEALED, says("6 tensors by torch, 4 by numpy, 4 of 4 with elements equal")),
            shown="by torch",
            before=KEYS,
        ),
        Question(
            model="ONNX with its tensors in model.onnx.data",
            make=files.onnx_with_data,
            command=f"gamekeeper seal model {TO} --quiet && python session.py",
            right="a session in memory gives the same 50 answers",
            checks=(*SEALED, says("50 of 50 answers equal")),
            shown="answers equal",
            before=KEYS,
        ),
    ]


def refusals() -> list[Question]:
    """What is not sealed, each with its own reason."""
    return [
        Question(
            model="MLflow folder with python_model.pkl",
            make=files.mlflow,
            command=f"gamekeeper seal model {TO}",
            right="refused: the pickle is named, the other files are not",
            checks=(
                *refused(r"python_model\.pkl", "model.sealed"),
                says("pickle"),
                says_not(r"conda\.yaml|requirements\.txt"),
            ),
            before=KEYS,
        ),
        Question(
            model=".npz with an array of objects",
            make=files.objects,
            command=f"gamekeeper seal model.npz {TO}",
            right="refused: numpy unpickles it",
            checks=refused("pickle|objects", "model.npz.sealed"),
            before=KEYS,
        ),
        Question(
            model="pickle of protocol 0 with a broken end",
            make=files.broken_pickle,
            command=f"gamekeeper seal model.bin {TO}",
            right="refused: what it calls runs before its end is read",
            checks=refused("pickle|not known|unknown", "model.bin.sealed"),
            before=KEYS,
        ),
        Question(
            model="estimator compressed by joblib",
            make=files.compressed,
            command=f"gamekeeper seal model.joblib.gz {TO}",
            right="refused: a pickle, or compressed data",
            checks=refused("pickle|compressed", "model.joblib.gz.sealed"),
            before=KEYS,
        ),
        Question(
            model="torch's old tar",
            make=files.torch_tar,
            command=f"gamekeeper seal model.bin {TO}",
            right="refused: an archive, or a pickle",
            checks=refused("archive|tar|pickle", "model.bin.sealed"),
            before=KEYS,
        ),
        Question(
            model="Git LFS pointer in place of a model",
            make=files.pointer,
            command=f"gamekeeper seal model.safetensors {TO}",
            right="refused: says that it is a pointer, and `git lfs pull`",
            checks=(*refused("Git LFS", "model.safetensors.sealed"), says("git lfs pull")),
            before=KEYS,
        ),
        Question(
            model="empty download",
            make=files.empty,
            command=f"gamekeeper seal model.safetensors {TO}",
            right="refused: says that it is empty",
            checks=refused("empty|0 bytes", "model.safetensors.sealed"),
            before=KEYS,
        ),
        Question(
            model="Hub folder with a private key of OpenSSH in it",
            make=files.with_key,
            command=f"gamekeeper seal model {TO} --allow '*'",
            right="refused, also where all is allowed by name",
            checks=(*refused("deploy_key", "model.sealed"), says("private key")),
            before=KEYS,
        ),
        Question(
            model="the same path as input and output",
            make=files.one_file,
            command="cp model.safetensors kept; gamekeeper seal model.safetensors --out model.safetensors"
            f" {TO} --force",
            right="refused, exit 2; the model is unchanged",
            checks=(FORM, exits(2), same_bytes("kept", "model.safetensors")),
            before=KEYS,
        ),
    ]


def seal_questions() -> list[Question]:
    """Returns all of them."""
    return [
        *hub_questions(),
        *checkpoint_questions(),
        *format_questions(),
        *refusals(),
    ]
