"""Read, edit, embed and hash the rows of any container that scikit-learn accepts."""

from resilient_estimator._public import publish
from resilient_estimator.tabular._embedding import Embedding
from resilient_estimator.tabular._table import Table, read_table

__all__ = ["Table", "read_table"]

publish(globals(), Embedding)
