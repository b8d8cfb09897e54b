"""What every test starts from."""

import os

# Names that hold a secret are masked under a key, which otherwise is made in the user's state folder.
os.environ.setdefault("GAMEKEEPER_NAME_KEY", "only for tests: 32 characters ..")
