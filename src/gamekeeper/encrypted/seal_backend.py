"""The backend that uses SEAL through `tenseal.sealapi`: CKKS without TenSEAL's own vectors.

TenSEAL's vectors are not used: after two multiplications they are silently wrong by 1e-2 (found by
running them), and with the packings used here they are 40 to 160 times slower than SEAL itself.

    bundle     seed(32) | b of the public key | b of each digit of each key-switching key
    cipher     seed(32) | b of a fresh ciphertext

Residues are packed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from secrets import token_bytes
from typing import Any

import numpy as np

from gamekeeper.base.errors import GamekeeperError, MissingExtraError, input_error
from gamekeeper.base.secret import Secret
from gamekeeper.encrypted import seal_files as files
from gamekeeper.encrypted.backend import RequiredKeys, Slots
from gamekeeper.encrypted.parameters import Parameters
from gamekeeper.encrypted.residues import (
    SEED_BYTES,
    Words,
    expand_seed,
    minus,
    pack,
    plus,
    times,
    unpack,
    width,
)

_GENERATOR = 3  # generator of the rotations in SEAL
_MASKED = 2  # level at which the fresh encryption of zero is added
_WIDE_BITS = 7  # bits by which the wide part of the mask of c1 is below the prime `mask`


def sealapi() -> Any:
    """Returns the module of SEAL.

    Raises:
        MissingExtraError: SEAL is not installed.
    """
    try:
        import tenseal.sealapi as seal
    except ImportError as missing:
        raise MissingExtraError("inference on encrypted input", "encrypted") from missing
    return seal


@dataclass(frozen=True, slots=True)
class SealKeys:
    """The public keys of a client, as a server keeps them.

    Args:
        encryptor: Encrypts with the public key.
        public: The public key at the level at which answers are masked.
        relinearise: Relinearisation keys; None if not needed.
        rotate: Rotation keys; None if not needed.
    """

    encryptor: Any
    public: Any
    relinearise: Any
    rotate: Any


class SealBackend:
    """The `Backend` that uses SEAL.

    Args:
        parameters: The parameters, which were checked by our table; SEAL checks them by its own.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self._seal = sealapi()
        seal = self._seal
        encryption = seal.EncryptionParameters(seal.SCHEME_TYPE.CKKS)
        encryption.set_poly_modulus_degree(parameters.degree)
        moduli = seal.CoeffModulus.Create(parameters.degree, list(parameters.primes))
        encryption.set_coeff_modulus(moduli)
        level = {
            128: seal.SEC_LEVEL_TYPE.TC128,
            192: seal.SEC_LEVEL_TYPE.TC192,
            256: seal.SEC_LEVEL_TYPE.TC256,
        }
        self._context = seal.SEALContext(encryption, True, level[parameters.security])
        if not self._context.parameters_set():
            found = self._context.parameters_error_message()
            raise input_error("parameters", "SEAL refuses them", found, "parameters of its table")
        self._primes = tuple(int(modulus.value()) for modulus in moduli)
        self._encoder = seal.CKKSEncoder(self._context)
        self._evaluator = seal.Evaluator(self._context)
        self._secrets: dict[int, Any] = {}

    # Operations of the client.

    def make_secret(self) -> Secret[bytes]:
        """See `Backend`."""
        key = self._seal.KeyGenerator(self._context).secret_key()
        words = files.plain_words(files.members(key)).reshape(len(self._primes), -1)
        return Secret(_pack(words, self._primes))

    def bundle(self, secret: Secret[bytes], required: RequiredKeys) -> bytes:
        """See `Backend`."""
        s = self._secret_words(secret)
        seed = token_bytes(SEED_BYTES)
        made = self._made_keys(secret, required)
        fitted = [self._fitted(words, s, seed, _key_domain(at)) for at, words in enumerate(made)]
        return seed + b"".join(_pack(words, self._primes) for words in fitted)

    def bundle_bytes(self, required: RequiredKeys) -> int:
        """See `Backend`."""
        switches = (int(required.relinearise) + len(required.steps)) * self.parameters.levels
        return SEED_BYTES + (1 + switches) * _bytes_of(self._primes, self.parameters.degree)

    def encrypt(
        self, secret: Secret[bytes], slots: "Slots | Sequence[complex]", scale: float
    ) -> bytes:
        """See `Backend`."""
        plain = self._seal.Plaintext()
        cipher = self._seal.Ciphertext()
        self._encoder.encode(list(slots), scale, plain)
        self._encryptor(secret).encrypt_symmetric(plain, cipher)
        seed = token_bytes(SEED_BYTES)
        primes = self._primes[:-1]
        words = files.cipher_words(files.members(cipher))
        return seed + _pack(
            self._fitted(words, self._secret_words(secret), seed, b"cipher"), primes
        )

    @property
    def cipher_bytes(self) -> int:
        """See `Backend`."""
        return SEED_BYTES + _bytes_of(self._primes[:-1], self.parameters.degree)

    def multiply_by_secret(self, secret: Secret[bytes], c1: Words) -> Words:
        """See `Backend`."""
        seal = self._seal
        ident = self._parms_id(1)
        words = np.stack([np.zeros_like(c1), c1])[:, None, :]
        body = files.cipher_body(ident, words, 1.0, is_ntt=False)
        cipher = files.loaded(seal.Ciphertext(), self._context, body)
        self._evaluator.transform_to_ntt_inplace(cipher)
        plain = seal.Plaintext()
        seal.Decryptor(self._context, self._secret_key(secret)).decrypt(cipher, plain)
        product = files.plain_words(files.members(plain))
        # SEAL can transform a ciphertext back into coefficients, but not a plaintext.
        body = files.cipher_body(ident, np.stack([product, product])[:, None, :], 1.0, is_ntt=True)
        turned = files.loaded(seal.Ciphertext(), self._context, body)
        self._evaluator.transform_from_ntt_inplace(turned)
        found: Words = files.cipher_words(files.members(turned))[0, 0]
        return found

    # Operations of the server.

    def load_keys(self, raw: bytes, required: RequiredKeys) -> SealKeys:
        """See `Backend`."""
        _require_length(raw, self.bundle_bytes(required), "keys")
        seed = raw[:SEED_BYTES]
        primes = self._primes
        degree = self.parameters.degree
        size = _bytes_of(primes, degree)
        polynomials = (
            self._whole(raw[at : at + size], seed, _key_domain(number), primes, "keys")
            for number, at in enumerate(range(SEED_BYTES, len(raw), size))
        )
        return self._loaded_keys(polynomials, required)

    def load_cipher(self, raw: bytes, scale: float) -> Any:
        """See `Backend`."""
        _require_length(raw, self.cipher_bytes, "ciphertext")
        primes = self._primes[:-1]
        words = self._whole(raw[SEED_BYTES:], raw[:SEED_BYTES], b"cipher", primes, "ciphertext")
        return self._cipher(words, self._parms_id(len(primes)), scale)

    def encode(self, slots: "Slots | float", level: int, scale: float) -> Any:
        """See `Backend`."""
        plain = self._seal.Plaintext()
        numbers = (
            float(slots) if isinstance(slots, float | int) else [float(number) for number in slots]
        )
        self._encoder.encode(numbers, self._parms_id(level), scale, plain)
        return plain

    def scale(self, cipher: Any) -> float:
        """See `Backend`."""
        return float(cipher.scale)

    def level(self, cipher: Any) -> int:
        """See `Backend`."""
        return int(cipher.coeff_modulus_size())

    def add(self, one: Any, other: Any) -> Any:
        """See `Backend`."""
        return self._made("add", one, other)

    def add_to(self, total: Any, cipher: Any) -> Any:
        """See `Backend`."""
        self._evaluator.add_inplace(total, cipher)
        return total

    def add_plain(self, cipher: Any, plain: Any) -> Any:
        """See `Backend`."""
        return self._made("add_plain", cipher, plain)

    def multiply_plain(self, cipher: Any, plain: Any) -> Any:
        """See `Backend`."""
        return self._made("multiply_plain", cipher, plain)

    def multiply(self, one: Any, other: Any, keys: SealKeys) -> Any:
        """See `Backend`."""
        product = self._made("multiply", one, other)
        self._evaluator.relinearize_inplace(product, keys.relinearise)
        return product

    def square_and_rescale(self, cipher: Any, keys: SealKeys) -> Any:
        """See `Backend`; rescaling comes first, since key switching is faster with fewer primes."""
        square = self.rescale(self._made("square", cipher))
        self._evaluator.relinearize_inplace(square, keys.relinearise)
        return square

    def rotate(self, cipher: Any, step: int, keys: SealKeys) -> Any:
        """See `Backend`."""
        return self._made("rotate_vector", cipher, step, keys.rotate)

    def rescale(self, cipher: Any) -> Any:
        """See `Backend`."""
        return self._made("rescale_to_next", cipher)

    def lower(self, cipher: Any, level: int) -> Any:
        """See `Backend`."""
        if self.level(cipher) == level:
            return cipher
        return self._made("mod_switch_to", cipher, self._parms_id(level))

    def add_zero(self, cipher: Any, keys: SealKeys) -> Any:
        """See `Backend`."""
        zero = self._seal.Ciphertext()
        keys.encryptor.encrypt_zero(self._parms_id(_MASKED), zero)
        for part in (zero, self._made("multiply_plain", keys.public, self._wide())):
            part.scale = cipher.scale
            cipher = self.add(cipher, part)
        return cipher

    def _wide(self) -> Any:
        """Returns a random polynomial whose coefficients have standard deviation 2^(mask - 7).

        Its product with the noise of the public key changes c0 by a few units. Slots are uniform in
        a square; the coefficients are sums over slots, and so almost Gaussian.
        """
        drawn = np.frombuffer(token_bytes(16 * self.parameters.slots), "<i8") * (sqrt(3) / 2.0**63)
        scale = 2.0 ** (self.parameters.primes[1] - _WIDE_BITS) * sqrt(self.parameters.slots)
        plain = self._seal.Plaintext()
        self._encoder.encode(
            drawn.view(np.complex128).tolist(), self._parms_id(_MASKED), scale, plain
        )
        return plain

    def coefficients(self, cipher: Any) -> tuple[Words, Words]:
        """See `Backend`."""
        turned = self._made("transform_from_ntt", cipher)
        words = files.cipher_words(files.members(turned))
        return words[0, 0], words[1, 0]

    @property
    def last_prime(self) -> int:
        """See `Backend`."""
        return self._primes[0]

    # Helpers of both.

    @cached_property
    def _parms_ids(self) -> dict[int, list[int]]:
        found = {}
        data = self._context.first_context_data()
        while data is not None:
            found[len(data.parms().coeff_modulus())] = list(data.parms_id())
            data = data.next_context_data()
        return found

    def _parms_id(self, level: int) -> list[int]:
        return self._parms_ids[level]

    def _made(self, name: str, *arguments: Any) -> Any:
        result = self._seal.Ciphertext()
        try:
            getattr(self._evaluator, name)(*arguments, result)
        except (ValueError, RuntimeError) as error:  # for example a product that is zero
            raise GamekeeperError(f"SEAL could not {name.replace('_', ' ')}: {error}") from None
        return result

    def _cipher(self, words: Words, parms_id: Sequence[int], scale: float) -> Any:
        body = files.cipher_body(parms_id, words, scale, is_ntt=True)
        return files.loaded(self._seal.Ciphertext(), self._context, body)

    def _whole(
        self, raw: bytes, seed: bytes, domain: bytes, primes: Sequence[int], what: str
    ) -> Words:
        """Returns both polynomials: the one that was sent, and the one derived from its seed."""
        degree = self.parameters.degree
        at = 0
        rows = []
        for q in primes:
            row = unpack(raw[at : at + degree * width(q)], q)
            if row is None or row.size != degree:
                raise input_error(
                    what,
                    "invalid residues",
                    "a number at or above its prime",
                    "numbers below the primes",
                )
            rows.append(row)
            at += degree * width(q)
        return np.stack([np.stack(rows), expand_seed(seed, domain, primes, degree)])

    def _fitted(self, words: Words, s: Words, seed: bytes, domain: bytes) -> Words:
        """Returns the first polynomial of an encryption after replacing its second by the one
        derived from the seed.
        """
        primes = self._primes[: words.shape[1]]
        drawn = expand_seed(seed, domain, primes, self.parameters.degree)
        return np.stack(
            [
                plus(words[0, i], times(minus(words[1, i], drawn[i], q), s[i], q), q)
                for i, q in enumerate(primes)
            ]
        )

    def _made_keys(self, secret: Secret[bytes], required: RequiredKeys) -> Iterator[Words]:
        seal = self._seal
        generator = self._seal.KeyGenerator(self._context, self._secret_key(secret))
        public = seal.PublicKey()
        generator.create_public_key(public)
        yield files.cipher_words(files.members(public))
        if required.relinearise:
            relinearise = seal.RelinKeys()
            generator.create_relin_keys(relinearise)
            yield from files.keys_words(files.members(relinearise))[0]
        for step in required.steps:
            element = self._element(step)
            rotate = seal.GaloisKeys()
            generator.create_galois_keys([element], rotate)
            yield from files.keys_words(files.members(rotate))[_place(element)]

    def _loaded_keys(self, polynomials: Iterator[Words], required: RequiredKeys) -> SealKeys:
        seal = self._seal
        ident = list(self._context.key_parms_id())
        digits = self.parameters.levels
        words = next(polynomials)
        body = files.cipher_body(ident, words, 1.0, is_ntt=True)
        encryptor = seal.Encryptor(
            self._context, files.loaded(seal.PublicKey(), self._context, body)
        )
        public = self._cipher(words[:, :_MASKED], self._parms_id(_MASKED), 1.0)
        relinearise = rotate = None
        if required.relinearise:
            body = files.keys_body(ident, 1, {0: [next(polynomials) for _ in range(digits)]})
            relinearise = files.loaded(seal.RelinKeys(), self._context, body)
        if required.steps:
            found = {
                _place(self._element(s)): [next(polynomials) for _ in range(digits)]
                for s in required.steps
            }
            body = files.keys_body(ident, self.parameters.degree, found)
            rotate = files.loaded(seal.GaloisKeys(), self._context, body)
        return SealKeys(encryptor, public, relinearise, rotate)

    def _element(self, step: int) -> int:
        return pow(_GENERATOR, step, 2 * self.parameters.degree)

    def _secret_words(self, secret: Secret[bytes]) -> Words:
        raw = secret.reveal()
        degree = self.parameters.degree
        at = 0
        rows = []
        _require_length(raw, _bytes_of(self._primes, degree), "secret key")
        for q in self._primes:
            row = unpack(raw[at : at + degree * width(q)], q)
            if row is None:
                raise input_error(
                    "secret key", "not a secret key", "other bytes", "a key of `make_secret`"
                )
            rows.append(row)
            at += degree * width(q)
        return np.stack(rows)

    def _secret_key(self, secret: Secret[bytes]) -> Any:
        known = self._secrets.get(id(secret))
        if known is not None and known[0] is secret:
            return known[1]
        body = files.plain_body(
            list(self._context.key_parms_id()), self._secret_words(secret).reshape(-1)
        )
        key = files.loaded(self._seal.SecretKey(), self._context, body)
        self._secrets = {id(secret): (secret, key)}
        return key

    def _encryptor(self, secret: Secret[bytes]) -> Any:
        return self._seal.Encryptor(self._context, self._secret_key(secret))


def _key_domain(number: int) -> bytes:
    return b"key" + number.to_bytes(4, "big")


def _place(element: int) -> int:
    """Returns the place of a rotation's key in SEAL."""
    return (element - 1) // 2


def _bytes_of(primes: Sequence[int], degree: int) -> int:
    return degree * sum(map(width, primes))


def _pack(words: Words, primes: Sequence[int]) -> bytes:
    return b"".join(pack(row, q) for row, q in zip(words, primes, strict=True))


def _require_length(raw: bytes, expected: int, what: str) -> None:
    if len(raw) != expected:
        raise input_error(
            what,
            "of another length",
            f"{len(raw):,} bytes",
            f"{expected:,} bytes for these parameters",
        )
