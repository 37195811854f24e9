"""Error of the contrastive gradient at bf16 inputs, beside logits in bf16, against float64.

Target: at scale 100 the gradient of embeddings and scale is within 0.5 % of the float64 gradient on
the same bf16 inputs.

    python -m benchmarks.loss_precision [--rows 2048] [--json PATH] [--check]

The embeddings are rounded to bf16 once. All methods see the same rounded values: ours (logits and
statistics in fp32), open_clip's ClipLoss on bf16 tensors (logits in bf16, as under autocast), and
ClipLoss on the values raised to fp32. The error is the norm of the difference over the norm of the
float64 gradient; ours ends in bf16 too, as the gradient of a bf16 tensor must. Runs where a GPU is
present with ``--device cuda``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from open_clip.loss import ClipLoss
from torch.nn.functional import normalize

from benchmarks.report import write_report
from medvlp.losses.contrastive import info_nce_loss
from medvlp.losses.engine.settings import EngineSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

SCALES = (14.3, 50.0, 100.0)
WIDTH = 512
LARGEST_ERROR = 0.005
OURS = "ours tiled"


def make_inputs(num_rows: int, device: str) -> tuple[Tensor, Tensor]:
    """Return unit embeddings rounded to bf16: cosines of pairs near 0.3, of others near 0."""
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(num_rows, WIDTH, generator=generator) for _ in range(2)]
    image = normalize(drawn[0], dim=1)
    text = normalize(image + 3.0 * normalize(drawn[1], dim=1), dim=1)
    return image.bfloat16().to(device), text.bfloat16().to(device)


def gradients(
    loss: Loss, inputs: Sequence[Tensor], scale: float, dtype: torch.dtype
) -> list[Tensor]:
    """Return the gradients of both embeddings and of the scale, float64."""
    leaves = [each.to(dtype).requires_grad_() for each in inputs]
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    leaves.append(torch.tensor(scale, dtype=wide, device=inputs[0].device, requires_grad=True))
    value = loss(*leaves)
    return [grad.double() for grad in torch.autograd.grad(value, leaves)]


def relative_error(actual: Sequence[Tensor], expected: Sequence[Tensor]) -> dict[str, float]:
    """Return the error of the embeddings' gradients together, and of the scale's."""
    have, want = (torch.cat([each.flatten() for each in grads[:2]]) for grads in (actual, expected))
    return {
        "embeddings_error": float((have - want).norm() / want.norm()),
        "scale_error": float((actual[2] - expected[2]).abs() / expected[2].abs()),
    }


def methods() -> dict[str, tuple[Loss, torch.dtype]]:
    """Return each method's loss and the dtype it takes the rounded embeddings in."""

    def ours(path: str) -> Loss:
        settings = EngineSettings(path=path)
        return lambda *inputs: info_nce_loss(*inputs, settings=settings).total

    peer = ClipLoss()
    return {
        OURS: (ours("tiled"), torch.bfloat16),
        "ours dense": (ours("dense"), torch.bfloat16),
        "ours, fp32 tensors": (ours("tiled"), torch.float32),
        "ClipLoss, bf16 logits": (
            lambda image, text, scale: peer(image, text, scale.bfloat16()),
            torch.bfloat16,
        ),
        "ClipLoss, fp32 tensors": (peer, torch.float32),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="loss_precision", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, metavar="PATH")
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    chosen = parser.parse_args(arguments)
    inputs = make_inputs(chosen.rows, chosen.device)
    rows = []
    print(f"N = {chosen.rows}, D = {WIDTH}: relative error of the gradient")
    print(f"{'scale':>6}  {'method':24} {'embeddings':>11} {'scale':>11}")
    for scale in SCALES:
        expected = gradients(ClipLoss(), inputs, scale, torch.float64)
        for name, (loss, dtype) in methods().items():
            error = relative_error(gradients(loss, inputs, scale, dtype), expected)
            rows.append({"scale": scale, "method": name, **error})
            figures = f"{error['embeddings_error']:11.1e} {error['scale_error']:11.1e}"
            print(f"{scale:6}  {name:24} {figures}")
    ours = next(row for row in rows if (row["scale"], row["method"]) == (max(SCALES), OURS))
    largest = max(ours["embeddings_error"], ours["scale_error"])
    is_met = largest <= LARGEST_ERROR
    print(
        f"gradient error of ours at scale {max(SCALES):g}: {100 * largest:.2f} %, target "
        f"{100 * LARGEST_ERROR} %: {'met' if is_met else 'MISSED'}"
    )
    if chosen.json is not None:
        settings = {"rows": chosen.rows, "width": WIDTH, "device": chosen.device}
        write_report(chosen.json, "loss_precision", settings, {"rows": rows, "met": is_met})
    return 1 if chosen.check and not is_met else 0


if __name__ == "__main__":
    raise SystemExit(main())
