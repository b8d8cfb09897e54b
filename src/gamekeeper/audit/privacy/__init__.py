"""What a model tells of the data it was trained on: beside what it tells of itself."""

from gamekeeper.audit.privacy.inversion import invert
from gamekeeper.audit.privacy.leaking import Privacy, privacy_of
from gamekeeper.audit.privacy.membership import Leak, Recipe, Shadows, leaks, train_shadows
from gamekeeper.audit.privacy.poisoning import poisoned_leaks
from gamekeeper.audit.privacy.screens import SCREENS, found_by

__all__ = [
    "SCREENS",
    "Leak",
    "Privacy",
    "Recipe",
    "Shadows",
    "found_by",
    "invert",
    "leaks",
    "poisoned_leaks",
    "privacy_of",
    "train_shadows",
]
