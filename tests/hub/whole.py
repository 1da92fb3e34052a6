"""The whole hub behind the broker, step by step in one process: admission, log and every consumer, with InfluxDB."""

from types import MappingProxyType

from hub.compliance.consumer import Compliance
from hub.compliance.rulings import Rulings
from hub.config.alerts import Alerting
from hub.intake.admission import Admission
from hub.log.consumer import MOST
from hub.log.log import Log
from hub.reports import Law, Reports
from hub.series import InfluxStore
from hub.series.rollups import Rollups
from hub.series.sink import StoreSink
from hub.watch.consumer import Watch
from schemas import load_limits
from tests.hub.helpers import QUANTITIES

LIMITS = load_limits(quantities=QUANTITIES)


class WholeHub:
    """A hub of a city; where InfluxDB is, the environment tells. `now` is its clock."""

    def __init__(self, folder, registry, now, bucket="fenceline", rules=MappingProxyType({})):
        self.rules = rules
        self.folder, self.registry, self.bucket, self.now = folder, registry, bucket, float(now)
        self.admission = Admission(registry, QUANTITIES, self.clock)
        self.log = Log(folder / "log.db")
        self.open()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        self.log.close()

    def clock(self):
        return self.now

    def open(self):
        """Start the consumers, as the process does that runs them."""
        folder, registry = self.folder, self.registry
        self.store = InfluxStore(self.bucket, Log(folder / "log.db"), QUANTITIES)
        self.compliance = Compliance(folder / "compliance.db", registry, LIMITS, QUANTITIES, self.clock)
        self.rollups = Rollups(folder / "rollups.db", self.store, QUANTITIES, registry.zone, self.clock)
        self.watch = Watch(folder, registry, self.clock, Alerting(), dict)
        path = folder / "compliance.db"
        self.rulings = Rulings(path, registry, self.rules, self.clock, steady=self.clock)
        law = Law(path, registry, LIMITS, QUANTITIES, self.rules)
        self.reports = Reports(folder, self.store, law, registry, self.clock, "hub-1", 900, self.progress)
        self.sinks = {
            "store": StoreSink(self.store),
            "rollups": self.rollups,
            "compliance": self.compliance,
            "rules": self.rulings,
            "watch": self.watch,
            "reports": self.reports,
        }
        self.read = {name: sink.position() for name, sink in self.sinks.items()}

    def close(self):
        """Stop them."""
        for part in (self.rollups, self.compliance, self.rulings, self.watch, self.reports, self.store):
            part.close()

    def progress(self):
        return {name: sink.position() for name, sink in self.sinks.items()}

    def hear(self, *messages):
        """Judge and commit messages in one transaction."""
        self.log.commit([self.admission.judge(topic, payload) for topic, payload in messages], self.now)

    def work(self):
        """Let every consumer take what there is, and time pass."""
        for name, sink in self.sinks.items():
            while entries := self.log.read(self.read[name], MOST):
                sink.take(entries)
                self.read[name] = entries[-1].offset
            sink.take([])
