"""What the servers did while they were loaded, and where the time of the answers went."""

from perf.load.servers.observer import Observer
from perf.load.servers.sentence import told
from perf.load.servers.watched import Watched

__all__ = ["Observer", "Watched", "told"]
