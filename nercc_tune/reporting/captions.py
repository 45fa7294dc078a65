"""What each figure of a report shows: for those who see it, and for those who do not."""

from __future__ import annotations

__all__ = ["ALTERNATIVES", "CAPTIONS"]

CAPTIONS = {
    "stragglers": "Held-out MSE, RelAcc and agreement against the number of stragglers, with 95 % intervals.",
    "waiting": "Held-out MSE and RelAcc against the mean time until F = N − S answers are there, with 95 % intervals.",
    "availability": "Held-out accuracy of all queries against the share of late workers, with 95 % intervals. Dashed: "
    "no query was degraded, so that the accuracy is at least this, and at most the upper end of the band.",
    "wrong_answers": "By kind of wrong answers, held out: which share was found, which share of the right ones was "
    "accused, and the MSE, with 95 % intervals, beside that of an oracle that is told the wrong ones. The lowest line: "
    "no answer is wrong.",
    "front": "RelAcc and MSE of the trials on the tuning draws, and of their front on held-out draws with intervals.",
    "decoders": "Least error on the tuning draws with each decoder, and what those that are no spline are set to.",
    "trainings": "Validation accuracy of reconstructed queries against the epoch, a line for each training.",
    "smoothing": "MSE on the tuning draws against λ_dec at the best λ_enc, and against λ_enc at its best λ_dec.",
    "landscape": "MSE on the tuning draws over both parameters; 0 has a row and a column of its own.",
    "history": "Least MSE so far on the tuning draws, relative to (0, 0).",
    "coded_queries": "The queries of one group beside what each code sends to its workers.",
}
"""By the figure's name."""

ALTERNATIVES = {
    "stragglers": "Three panels with a line for each code; the figures are in the tables of the results.",
    "waiting": "Two panels with a line for each code, from few answers waited for to many.",
    "availability": "Two panels with a line for each code, from all workers in time to a third of them late.",
    "wrong_answers": "Bars and points for each kind of wrong answers, a row of panels for each number of stragglers.",
    "front": "A cloud of trials for each number of stragglers, and the trials that no other beats in both.",
    "decoders": "Four panels with a line for each decoder against the number of stragglers.",
    "trainings": "Rising curves, one for each training; that of the chosen one is the thickest.",
    "smoothing": "Two panels of curves, one for each number of stragglers; a star marks the chosen pair.",
    "landscape": "A map for each number of stragglers, λ_dec across and λ_enc up; a star marks the chosen pair.",
    "history": "Falling steps over the proposals, a line for each number of stragglers.",
    "coded_queries": "Tiles of the queries, and of the coded queries that workers get.",
}
"""By the figure's name: what stands in its place where it cannot be seen."""
