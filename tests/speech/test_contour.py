"""The contour: range removed, gaps interpolated, nothing invented."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vcbench.speech.features.pitch import normalise_log_f0


@given(st.lists(st.tuples(st.floats(4, 6.5), st.booleans()), min_size=1, max_size=60), st.floats(-0.7, 0.7))
def test_register_does_not_matter_and_voiced_frames_are_standardised(frames, register):
    log_f0 = torch.tensor([value for value, _ in frames], dtype=torch.float64)
    voiced = torch.tensor([flag for _, flag in frames])
    contour = normalise_log_f0(log_f0, voiced)
    assert contour.shape == log_f0.shape
    assert contour.isfinite().all()
    if voiced.sum() > 1 and log_f0[voiced].std(correction=0) > 2e-3:
        torch.testing.assert_close(normalise_log_f0(log_f0 + register, voiced), contour)
        assert abs(float(contour[voiced].mean())) < 1e-6
        assert float(contour[voiced].std(correction=0)) == pytest.approx(1)


def test_unvoiced_frames_are_interpolated_and_edges_held():
    log_f0 = torch.tensor([9.0, 1.0, 9.0, 9.0, 9.0, 3.0, 9.0])
    voiced = torch.tensor([False, True, False, False, False, True, False])
    assert torch.allclose(normalise_log_f0(log_f0, voiced), torch.tensor([-1.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.0]))


@pytest.mark.parametrize("voiced", [[False] * 3, [False, True, False], [True] * 3])
def test_without_melody_the_contour_is_zero(voiced):
    assert torch.equal(normalise_log_f0(torch.full((3,), 5.0), torch.tensor(voiced)), torch.zeros(3))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"\(3,\) and \(4,\)"):
        normalise_log_f0(torch.zeros(3), torch.zeros(4, dtype=torch.bool))
    with pytest.raises(ValueError, match="not finite at 1 of 2"):
        normalise_log_f0(torch.tensor([5.0, float("nan")]), torch.tensor([True, True]))
