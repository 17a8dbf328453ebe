"""Variances by few clusters: CR2, with Satterthwaite's degrees of freedom for every contrast.

Bell and McCaffrey (2002, Survey Methodology 28(2)); Pustejovsky and Tipton (2018, Journal of Business & Economic
Statistics 36(4)), here with working variances that are inverse to the weights. Everything is computed from the scores
and the informations of the clusters, so that it holds for every model with an information matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotune.correction.families import Floats

DETERMINED = 1e-8  # what a cluster leaves of an estimate's information when it alone determines it


@dataclass(frozen=True)
class Reduced:
    """The variance of p estimates by G clusters.

    Attributes
    ----------
    covariance
        CR2, shape (p, p).
    root
        The symmetric root of the inverse information, shape (p, p).
    shares, axes
        For each cluster the eigenvalues (G, p) and eigenvectors (G, p, p) of its information, in units of the whole.
    """

    covariance: Floats
    root: Floats
    shares: Floats
    axes: Floats

    def df(self, contrasts: Floats) -> Floats:
        """Satterthwaite's degrees of freedom of each contrast's variance, (m,), for contrasts of shape (m, p)."""
        return np.array([self._df(contrast) for contrast in np.atleast_2d(contrasts)])

    def _df(self, contrast: Floats) -> float:
        turned = np.einsum("gij,i->gj", self.axes, self.root @ contrast)
        squared = self.shares * _adjustment(self.shares) ** 2
        own = np.einsum("gj,gj->g", turned**2, squared)
        through = np.einsum("gij,gj->gi", self.axes, turned * self.shares * _adjustment(self.shares))
        lost = (through**2).sum(axis=1)
        cross = through.T @ through
        spread = (own**2 - 2 * own * lost).sum() + (cross**2).sum()
        return float((own - lost).sum() ** 2 / spread) if spread > 0 else np.nan


def reduced(scores: Floats, informations: Floats) -> Reduced:
    """CR2 from the clusters' scores (G, p) and informations (G, p, p), whose sum is the whole information.

    Examples
    --------
    The mean of clusters of one size has the variance of the clusters' means, and G - 1 degrees of freedom.

    >>> sums, ones = np.array([[3.0], [-1.0], [-2.0]]), np.full((3, 1, 1), 5.0)
    >>> mean = reduced(sums, ones)
    >>> [round(float(x), 4) for x in (mean.covariance[0, 0], np.var(sums / 5, ddof=1) / 3, mean.df(np.ones((1, 1)))[0])]
    [0.0933, 0.0933, 2.0]
    """
    values, vectors = np.linalg.eigh(np.linalg.inv(_symmetric(informations.sum(axis=0))))
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shares, axes = np.linalg.eigh(_symmetric(root @ informations @ root))
    turned = np.einsum("gij,gi->gj", axes, scores @ root) * _adjustment(shares)
    effects = np.einsum("gij,gj->gi", axes, turned) @ root
    return Reduced(effects.T @ effects, root, shares, axes)


def _adjustment(shares: Floats) -> Floats:
    """By how much each part of a cluster's scores is raised; 0 where the residuals are 0 by construction."""
    left = 1 - shares
    return np.asarray(np.where(left > DETERMINED, 1 / np.sqrt(np.maximum(left, DETERMINED)), 0.0))


def _symmetric(matrix: Floats) -> Floats:
    return np.asarray((matrix + np.swapaxes(matrix, -1, -2)) / 2)
