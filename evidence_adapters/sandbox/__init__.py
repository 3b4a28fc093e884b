"""A sandbox city: people who never lived, firms that never traded, and registers that can fail.

Nobody real can be among them: their numbers carry the impossible place code 990000.
"""

from evidence_adapters.sandbox.city import City, Person
from evidence_adapters.sandbox.drivers import Drivers
from evidence_adapters.sandbox.firms import Filing, Firm, Firms, House
from evidence_adapters.sandbox.jobs import Jobs
from evidence_adapters.sandbox.lives import Lives
from evidence_adapters.sandbox.misconduct import Misconduct
from evidence_adapters.sandbox.server import Access, Running, serve
from evidence_adapters.sandbox.traders import Opening, Traders

__all__ = [
    "Access",
    "City",
    "Drivers",
    "Filing",
    "Firm",
    "Firms",
    "House",
    "Jobs",
    "Lives",
    "Misconduct",
    "Opening",
    "Person",
    "Running",
    "Traders",
    "serve",
]
