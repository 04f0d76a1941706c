"""Many quadratic forms xᵀMx at once, as one product of matrices.

A form is symmetric, so that of the D² products of a vector's entries D(D + 1)/2 are enough: the
*products* of x, and for them the *weights* of M, in which what stands off the diagonal counts
twice. Forms of m vectors under N matrices are then an (m, P) times (P, N) product in float32, which
linear algebra libraries do at full speed.
"""

from __future__ import annotations

import numpy as np

from bandit.types import Float32Array, FloatArray
from simulator.errors import SimulationError


def products(vectors: Float32Array) -> Float32Array:
    """Return (m, P) the products of each pair of entries of (m, D) vectors."""
    first, second = np.triu_indices(vectors.shape[1])
    return vectors[:, first] * vectors[:, second]


def product(left: Float32Array, right: Float32Array) -> Float32Array:
    """Return the matrix product, judged by its numbers.

    NumPy asks the processor whether a product met an invalid operation, and BLAS kernels that work
    on more lanes than a small matrix fills answer yes by chance, from what lay in the others
    (numpy#24067, OpenBLAS#1924). The numbers themselves tell for certain.

    Raises:
        SimulationError: the product holds numbers that are not finite.
    """
    with np.errstate(invalid="ignore"):
        found = left @ right
    if not np.isfinite(found).all():
        raise SimulationError(
            "a linear model's beliefs are no longer finite numbers",
            hint="scale the features of contexts and items to sizes near 1",
        )
    return found


def weights(matrices: FloatArray) -> Float32Array:
    """Return (..., P) the weights of the products for (..., D, D) symmetric matrices."""
    first, second = np.triu_indices(matrices.shape[-1])
    twice = np.where(first < second, 2.0, 1.0)
    return np.asarray(matrices[..., first, second] * twice, np.float32)


def with_constant(features: Float32Array) -> Float32Array:
    """Return features with a leading 1."""
    ones = np.ones((len(features), 1), np.float32)
    return np.concatenate([ones, features], axis=1, dtype=np.float32)


def inverse(precision: FloatArray) -> FloatArray:
    """Return the inverses of (..., D, D) symmetric, positive definite matrices, symmetric too."""
    found = np.linalg.inv(precision)
    return np.asarray((found + np.swapaxes(found, -1, -2)) / 2)
