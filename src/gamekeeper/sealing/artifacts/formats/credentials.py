"""Names of files in which programs keep passwords, tokens and keys.

Such a file belongs to the user who made the model, and not to the model. Sources: the documentation
of each program.
"""

from pathlib import PurePosixPath

_NAMES = {
    *(".netrc", "_netrc", ".pgpass", ".my.cnf", ".htpasswd", ".git-credentials"),
    *(".pypirc", ".npmrc", ".yarnrc.yml", ".dockercfg", ".boto", ".s3cfg", ".databrickscfg"),
    *(".vault-token", "kaggle.json", "application_default_credentials.json"),
    *("token", "stored_tokens"),  # of huggingface_hub
    *("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk"),
}
_IN_FOLDERS = {
    ".aws/credentials",
    ".azure/accesstokens.json",
    ".azure/msal_token_cache.json",
    ".docker/config.json",
    ".kube/config",
    ".streamlit/secrets.toml",
    "gcloud/credentials.db",
}
_ENVIRONMENT = ".env"
_EXAMPLES = {"example", "sample", "template", "dist", "defaults"}


def is_named_as_credentials(path: str) -> bool:
    """Returns whether programs keep passwords, tokens or keys in files of this name.

    `.env.example` and the like have names of variables only.
    """
    parts = PurePosixPath(path.lower()).parts
    name = parts[-1]
    if name in _NAMES or "/".join(parts[-2:]) in _IN_FOLDERS:
        return True
    is_environment = name.startswith(f"{_ENVIRONMENT}.") or name.endswith(_ENVIRONMENT)
    return is_environment and name.rsplit(".", 1)[-1] not in _EXAMPLES
