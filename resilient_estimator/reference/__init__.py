"""What `fit` remembers of the training data: integer counts over fixed cells.

A `Layout` holds the fixed cells of every column, a `Profile` the counts of one batch in
these cells, and a `Reference` the layout and the profile of the training rows.
"""

from resilient_estimator._public import publish
from resilient_estimator.reference._bins import CategoryBins, NumericBins, OpaqueBins
from resilient_estimator.reference._layout import Layout, Profile
from resilient_estimator.reference._normal_scores import PairedColumns
from resilient_estimator.reference._reference import Reference

__all__ = ["Layout", "Profile", "Reference"]

publish(globals(), CategoryBins, NumericBins, OpaqueBins, PairedColumns)
