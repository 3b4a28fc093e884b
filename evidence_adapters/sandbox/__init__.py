"""A sandbox city: ten thousand people who never lived, and registers that can be made to fail.

Nobody real can be among them: their identity numbers carry the impossible place code 990000.
"""

from evidence_adapters.sandbox.city import City, Person
from evidence_adapters.sandbox.misconduct import Misconduct
from evidence_adapters.sandbox.server import Access, Running, serve

__all__ = ["Access", "City", "Misconduct", "Person", "Running", "serve"]
