"""Witness Desk (见证台): the operations console of a futures broker's internet account opening. Start with docs/tour.md."""
