"""The largest secure modulus for each ring, by the HomomorphicEncryption.org standard.

We check it ourselves, in addition to SEAL. The modulus is the product of all primes, including the
prime for switching keys: the keys that a client sends are encryptions modulo this product.

Source: Albrecht et al., Homomorphic Encryption Security Standard, HomomorphicEncryption.org, 2018,
    table 1: classical attacks, secret with coefficients in {-1, 0, 1}.
"""

from gamekeeper.base.errors import input_error

MIN_SECURITY_BITS = 128
MAX_MODULUS_BITS: dict[int, dict[int, int]] = {
    128: {1024: 27, 2048: 54, 4096: 109, 8192: 218, 16384: 438, 32768: 881},
    192: {1024: 19, 2048: 37, 4096: 75, 8192: 152, 16384: 305, 32768: 611},
    256: {1024: 14, 2048: 29, 4096: 58, 8192: 118, 16384: 237, 32768: 476},
}
"""Security, bits -> ring dimension -> log2 of the largest modulus."""


def require_secure(
    degree: int, modulus_bits: int, security_bits: int, where: str = "parameters"
) -> None:
    """Checks that parameters are as strong as the standard requires, with at least 128 bits.

    Args:
        degree: Dimension of the ring, N.
        modulus_bits: log2 of the whole modulus.
        security_bits: Required security: 128, 192 or 256.
        where: Source of the parameters, for the message.

    Raises:
        InputError: They are weaker, or not in the table.
    """
    is_enough = security_bits >= MIN_SECURITY_BITS
    table = MAX_MODULUS_BITS.get(security_bits, {}) if is_enough else {}
    limit = table.get(degree)
    if limit is not None and 0 < modulus_bits <= limit:
        return
    limits = "; ".join(
        f"{bits} bits at N = {n}" for n, bits in MAX_MODULUS_BITS[MIN_SECURITY_BITS].items()
    )
    found = f"security {security_bits}, N = {degree}, a modulus of {modulus_bits} bits"
    raise input_error(
        where, "the parameters are not secure", found, f"at least 128-bit security: {limits}"
    )
