"""A gated recurrent layer whose training step is cheap on a CPU.

PyTorch's GRU takes up to a third of a small model's step there: several operators per frame each way, and one
small weight gradient per frame. Here the products that do not depend on the previous frame, and the weights' gradients,
are computed for all frames at once; one product and a few operators per frame remain.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import runs_own_kernels


class Recurrence(nn.GRU):
    """nn.GRU (same weights, same result) on (frames, batch, channels) from a zero state, without its final state."""

    def forward(self, x: Tensor) -> Tensor:
        if not runs_own_kernels(x):
            return super().forward(x)[0]  # type: ignore[has-type]
        for input_weight, state_weight, input_bias, state_bias in self.all_weights:
            x = GatedRecurrence.apply(F.linear(x, input_weight, input_bias), state_weight, state_bias)
        return x


class GatedRecurrence(torch.autograd.Function):
    """One layer: gates from the input (frames, batch, 3 * hidden) -> states (frames, batch, hidden).

    Gates are in PyTorch's order: reset, update, new.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        frames, batch, hidden = inputs.shape[0], inputs.shape[1], weight.shape[1]
        states = inputs.new_zeros(frames + 1, batch, hidden)
        gates = inputs.new_empty(frames, batch, 2 * hidden)
        new = inputs.new_empty(frames, batch, hidden)
        recurrent = inputs.new_empty(frames, batch, 3 * hidden)
        steps = zip(
            inputs[..., : 2 * hidden],
            inputs[..., 2 * hidden :],
            recurrent,
            recurrent[..., : 2 * hidden],
            recurrent[..., 2 * hidden :],
            gates,
            gates[..., :hidden],
            gates[..., hidden:],
            new,
            states[:-1],
            states[1:],
            strict=True,
        )
        transposed = weight.t()
        for (
            gate_in,
            new_in,
            product,
            gate_product,
            new_product,
            gate,
            reset,
            update,
            candidate,
            state,
            following,
        ) in steps:
            torch.addmm(bias, state, transposed, out=product)
            torch.add(gate_in, gate_product, out=gate).sigmoid_()
            torch.addcmul(new_in, reset, new_product, out=candidate).tanh_()
            torch.lerp(candidate, state, update, out=following)
        ctx.save_for_backward(states, gates, new, recurrent, weight)
        return states[1:]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        states, gates, new, recurrent, weight = ctx.saved_tensors
        frames, batch, hidden = new.shape
        reset, update = gates.chunk(2, dim=-1)
        # The gradient of each gate's input is the state's gradient times a factor known in advance.
        to_new = (1 - update) * (1 - new * new)
        factors = new.new_empty(frames, batch, 3, hidden)
        torch.mul(to_new, reset, out=factors[:, :, 2])
        torch.mul(factors[:, :, 2], recurrent[..., 2 * hidden :], out=factors[:, :, 0]).mul_(1 - reset)
        torch.mul((states[:-1] - new).mul_(update), 1 - update, out=factors[:, :, 1])
        state_gradients = gradient.clone(memory_format=torch.contiguous_format)
        gate_gradients = torch.empty_like(factors)
        kept = update.contiguous()
        rows = gate_gradients.view(frames, batch, 3 * hidden)
        spread = state_gradients.unsqueeze(2)
        for gate, factor, wide, row, state, keep, previous in zip(
            *(tensor.unbind(0)[:0:-1] for tensor in (gate_gradients, factors, spread, rows, state_gradients, kept)),
            state_gradients.unbind(0)[-2::-1],
            strict=True,
        ):
            torch.mul(wide, factor, out=gate)
            previous.addcmul_(state, keep).addmm_(row, weight)
        torch.mul(spread[0], factors[0], out=gate_gradients[0])
        flat = rows.flatten(0, 1)
        weight_gradient = flat.t() @ states[:-1].flatten(0, 1)
        bias_gradient = flat.sum(0)
        torch.mul(state_gradients, to_new, out=gate_gradients[:, :, 2])
        return rows, weight_gradient, bias_gradient
