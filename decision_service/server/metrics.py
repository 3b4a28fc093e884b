"""Numbers for Prometheus: how many, how long, how often in vain. Nothing of anybody.

Every label has few values that the service itself knows: a method of the contract, a release that
is published, a register of the city. What a caller writes is never one.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from decision_service.model import Decision, EvidenceStatus, EvidenceType

_CALL_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Up to the longest call; the promise is three seconds."""

_APPEND_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

Counts = Mapping[EvidenceType, Mapping[str, int]]
"""Of each register, what was counted."""

_STATUSES: Final = frozenset(status.value for status in EvidenceStatus)


class Metrics:
    """One registry, read by whoever may reach the port.

    Args:
        counted: Of each register, how often what happened since the service began.
        works: Whether each thing that the service depends on works.
        gauges: What stands at some number now, by name; see `_HELP`.
    """

    def __init__(
        self,
        *,
        counted: Callable[[], Counts],
        works: Callable[[], Mapping[str, bool]],
        gauges: Callable[[], Mapping[str, float]],
    ) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_Standing(counted, works, gauges))
        self._calls = Counter(
            "miaopi_calls",
            "Calls that ended, also those that were refused",
            ["method", "code", "role"],
            registry=self._registry,
        )
        self._call_s = Histogram(
            "miaopi_call_seconds",
            "How long calls took",
            ["method"],
            buckets=_CALL_S,
            registry=self._registry,
        )
        self._decisions = Counter(
            "miaopi_decisions",
            "Decisions that were recorded",
            ["matter", "release", "outcome"],
            registry=self._registry,
        )
        self._append_s = Histogram(
            "miaopi_append_seconds",
            "From handing an entry in to its being durable under a signed checkpoint",
            buckets=_APPEND_S,
            registry=self._registry,
        )
        self._not_recorded = Counter(
            "miaopi_not_recorded",
            "Entries that could not be recorded, so that nothing happened",
            registry=self._registry,
        )
        self._waiting = Gauge(
            "miaopi_waiting_cases", "Cases that wait for a source", registry=self._registry
        )

    def handled(self, method: str, code: str, role: str, took_s: float) -> None:
        """A call has ended."""
        name = method.rpartition(".")[2]
        self._calls.labels(name, code, role).inc()
        self._call_s.labels(name).observe(took_s)

    def decided(self, decision: Decision) -> None:
        """A decision was recorded."""
        release = f"{decision.matter}@{decision.rules_effective_date}"
        self._decisions.labels(decision.matter, release, decision.outcome.kind).inc()

    def appended(self, took_s: float | None) -> None:
        """An entry was recorded, or (None) could not be."""
        if took_s is None:
            self._not_recorded.inc()
        else:
            self._append_s.observe(took_s)

    def waiting(self, cases: int) -> None:
        """So many cases wait."""
        self._waiting.set(cases)

    def text(self) -> bytes:
        """All of it in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)


_HELP: Final[Mapping[str, str]] = {
    "calls_in_flight": "Calls that are being handled",
    "event_loop_lag_seconds": "How late the event loop ran, at best, in the last third of a second",
    "log_entries": "Entries under the newest signed checkpoint",
}


class _Standing(Collector):
    """What others count already, told when it is asked for."""

    def __init__(
        self,
        counted: Callable[[], Counts],
        works: Callable[[], Mapping[str, bool]],
        gauges: Callable[[], Mapping[str, float]],
    ) -> None:
        self._counted = counted
        self._works = works
        self._gauges = gauges

    def describe(self) -> Iterable[Metric]:
        """Nothing: asking for it now would be too early."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Everything, as it stands."""
        evidence = CounterMetricFamily(
            "miaopi_evidence", "Answers of registers", labels=["register", "status"]
        )
        guard = CounterMetricFamily(
            "miaopi_register_events",
            "What the guard around a register did: asked, asked_twice, retried, shed, "
            "breaker_open, cache_hit, credentials_renewed, credentials_refused",
            labels=["register", "event"],
        )
        for register, counts in self._counted().items():
            for what, count in counts.items():
                (evidence if what in _STATUSES else guard).add_metric([register, what], count)
        up = GaugeMetricFamily(
            "miaopi_dependency_up", "Whether what is depended on works", labels=["dependency"]
        )
        for dependency, works in self._works().items():
            up.add_metric([dependency], works)
        standing = [
            GaugeMetricFamily(f"miaopi_{name}", _HELP[name], value=value)
            for name, value in self._gauges().items()
        ]
        return [evidence, guard, up, *standing]
