"""What Prometheus scrapes. No label names an account: that would make as many series as there are
accounts.
"""

from functools import cache
from math import nan

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from gamekeeper.guard.telemetry.upstream_figures import UpstreamFigures

_ADDED_S = (0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.01, 0.05)


class Metrics:
    """All figures of one guard, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"gamekeeper_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"gamekeeper_{name}", text, labels, registry=self.registry)

        self.requests = counter(
            "requests", "Requests by route and what was done with them.", "route", "action"
        )
        self.would = counter(
            "would", "What would have been done without a dry run.", "route", "action"
        )
        self.refused = counter("refused", "Requests refused before they were judged.", "code")
        self.unknown = counter(
            "unknown_routes", "Requests to routes that the guard does not know.", "outcome"
        )
        self.exchanges = counter("exchanges", "Exchanges answered.", "route")
        self.tokens = counter("tokens", "Tokens, as charged.", "kind")
        # Looked up once: `labels` takes a lock, and longer than to count.
        self.requests_of = cache(self.requests.labels)
        self.exchanges_of = cache(self.exchanges.labels)
        self.input_tokens = self.tokens.labels("input")
        self.output_tokens = self.tokens.labels("output")
        self.usage_estimated = counter(
            "usage_estimated", "Answers of which a count of tokens is an estimate.", "why"
        )
        self.upstream = counter("upstream_failures", "Upstream failures.", "kind")
        self.upstream_figures = UpstreamFigures()
        self.registry.register(self.upstream_figures)
        self.signals = counter("stolen_key_signals", "Signals of stolen keys.", "signal")
        self.judged = Histogram(
            "gamekeeper_judging_seconds",
            "Time from a whole request to its judgement.",
            buckets=_ADDED_S,
            registry=self.registry,
        )
        self.decisions = gauge("decisions", "Decisions in force.", "verdict")
        self.campaigns = gauge("campaigns", "Campaigns found.")
        self.members = gauge("campaign_accounts", "Accounts in campaigns.")
        self.accounts = gauge("accounts", "Accounts with state in memory.")
        self.enforcing = gauge("enforcing", "1 if verdicts are enforced, 0 in dry run.")
        self.upstream_open = gauge(
            "upstream_open", "1 if the upstream answered a credential that was invented."
        )
        self.upstream_open.set(nan)  # until the upstream could be asked
        self.upstream_refuses = gauge(
            "upstream_refuses_credential", "1 if the upstream refused the operator's credential."
        )
        self.policy_refused = gauge(
            "policy_refused", "1 if the policy that was last read again was refused."
        )
        self.store_up = gauge("store_up", "1 while the store can be reached.")
        self.clock_off = gauge(
            "clock_off_seconds", "How far the machine's clock is from the guard's."
        )
        self.watching = gauge("watching", "1 while the process that links traffic runs.")
        self.unwatched = counter(
            "unwatched_exchanges", "Exchanges that the linking process did not receive."
        )
        self.unwatched_accounts = gauge(
            "unwatched_accounts", "Accounts whose exchanges were dropped when this last happened."
        )
        self.pass_s = gauge("pass_seconds", "Wall time of the last pass over recent traffic.")
        self.pass_at = gauge(
            "pass_time_seconds", "When the last pass over recent traffic ended, epoch seconds."
        )
        self.pass_failures = counter("pass_failures", "Passes over recent traffic that failed.")
        self.pass_failed = gauge("pass_failed", "1 if the last pass over recent traffic failed.")

        self.task_up = gauge("task_up", "1 while a task beside requests runs well.", "task")
        self.task_restarts = counter(
            "task_restarts", "Starts of a task after it had ended without being asked to.", "task"
        )
        self.set_aside = counter(
            "set_aside", "Records that could not be stored or read, by kind.", "what"
        )

    def text(self) -> bytes:
        """Returns everything in Prometheus' text format."""
        return generate_latest(self.registry)
