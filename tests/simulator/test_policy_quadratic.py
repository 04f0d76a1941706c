from __future__ import annotations

import numpy as np
import pytest

from simulator.errors import SimulationError
from simulator.policies.quadratic import inverse, product, products, weights


def test_forms_are_products_times_weights() -> None:
    rng = np.random.default_rng(1)
    roots = rng.standard_normal((3, 4, 4))
    matrices = inverse(np.eye(4) + roots @ np.swapaxes(roots, -1, -2))
    vectors = rng.standard_normal((5, 4), dtype=np.float32)
    forms = np.einsum("nd,kde,ne->nk", vectors, matrices, vectors)
    found = product(products(vectors), weights(matrices).T)
    np.testing.assert_allclose(found, forms, rtol=1e-4)


@pytest.mark.parametrize("left", [np.inf, np.nan, np.finfo(np.float32).max])
def test_numbers_that_are_not_finite_end_a_product(left: float) -> None:
    with (
        np.errstate(over="ignore"),
        pytest.raises(SimulationError, match="no longer finite") as caught,
    ):
        product(np.full((1, 2), left, np.float32), np.full((2, 1), 10.0, np.float32))
    assert "scale the features" in caught.value.hint


def test_only_the_numbers_judge_a_product() -> None:
    """Infinity times 0 raises the processor's flag, which alone would be a warning here."""
    with pytest.raises(SimulationError):
        product(np.array([[np.inf, 1.0]], np.float32), np.zeros((2, 1), np.float32))
