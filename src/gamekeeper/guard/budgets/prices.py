"""What an answer costs, by the policy's prices."""

from collections.abc import Mapping

from gamekeeper.guard.policy import Price

_FREE = Price()


class Prices:
    """Prices by model name; of several patterns that match, the longest counts.

    Args:
        prices: Model name, or its beginning and `*`, to price.
    """

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = {name.lower(): price for name, price in prices.items()}
        self._known = dict[str, Price]()

    def micro_usd(self, model: str | None, input_tokens: int, output_tokens: int) -> int:
        """Returns the price of an answer in millionths of a dollar, rounded up."""
        price = self._of((model or "").strip().lower())  # a server may not heed the spelling
        tokens = (
            input_tokens * price.usd_per_million_input_tokens
            + output_tokens * price.usd_per_million_output_tokens
        )
        return -int(-(tokens + price.usd_per_request * 1e6) // 1)

    def _of(self, model: str) -> Price:
        if model not in self._known and len(self._known) < 10_000:  # names come from clients
            self._known[model] = self._look_up(model)
        return self._known.get(model) or self._look_up(model)

    def _look_up(self, model: str) -> Price:
        fits = [
            p for p in self._prices if p == model or (p.endswith("*") and model.startswith(p[:-1]))
        ]
        return self._prices[max(fits, key=len)] if fits else _FREE
