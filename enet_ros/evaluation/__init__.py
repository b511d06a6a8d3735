"""Labels scored against annotations: a data set or a bag offline, a replay online."""

from .offline import Choice, Coverage, Evaluation, Frame, evaluate, evaluate_bag, evaluate_dataset, provenance

__all__ = ['Choice', 'Coverage', 'Evaluation', 'Frame', 'evaluate', 'evaluate_bag', 'evaluate_dataset',
           'provenance']
