"""Keeps models from being carried away: sealed artifacts, their provenance, inference on encrypted input.

    sealed/        the sealed file: one model, encrypted in chunks, for several recipients
    recipients/    who can open one: key pairs, passphrases, key services
    provenance/    who made a model: signatures in OpenSSF's format
    encrypted/     answers to inputs that the server cannot read (extra "he")

None of it stops extraction by queries: whoever may ask may copy. See docs/reference/sealing.md for what helps
against what.
"""
