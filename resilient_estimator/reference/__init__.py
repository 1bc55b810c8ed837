"""What `fit` remembers of the training data: integer counts over fixed cells.

A `Layout` is the fixed cells of every column, a `Profile` the counts of one batch over
them, a `Reference` the layout together with the profile of the training rows.
"""

from resilient_estimator._public import publish
from resilient_estimator.reference._layout import Layout, Profile
from resilient_estimator.reference._reference import Reference

__all__ = ["Layout", "Profile", "Reference"]

publish(globals())
