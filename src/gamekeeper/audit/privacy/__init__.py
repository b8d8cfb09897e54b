"""What a model tells of the data it was trained on: beside what it tells of itself."""

from gamekeeper.audit.privacy.inversion import invert
from gamekeeper.audit.privacy.judge import Judge
from gamekeeper.audit.privacy.leaking import Privacy, privacy_of
from gamekeeper.audit.privacy.membership import Leak, Recipe, Shadows, leaks, train_shadows
from gamekeeper.audit.privacy.poisoning import poisoned_leaks
from gamekeeper.audit.privacy.screens import SCREENS, Screened, found_by
from gamekeeper.audit.privacy.showing import Inversion, Plan, Shown, inversion_of, planned

__all__ = [
    "SCREENS",
    "Inversion",
    "Judge",
    "Leak",
    "Plan",
    "Privacy",
    "Recipe",
    "Screened",
    "Shadows",
    "Shown",
    "found_by",
    "inversion_of",
    "invert",
    "leaks",
    "planned",
    "poisoned_leaks",
    "privacy_of",
    "train_shadows",
]
