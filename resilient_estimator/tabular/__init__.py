"""Read, edit, embed and hash the rows of any container that scikit-learn accepts."""

from resilient_estimator.tabular._table import Table, read_table

__all__ = ["Table", "read_table"]
