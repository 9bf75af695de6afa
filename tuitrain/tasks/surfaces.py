"""The functions of the lecture on which optimizers are watched: one or two coordinates, one value. No torch.

Each is written once, with arithmetic and a small `Maths`, so that the picture (numpy) and the run (torch) take their
values from the same formula. To add one: a spec here and a preset; the tests parametrised over this table cover it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tuitrain.errors import UnknownNameError

Point = tuple[float, ...]
"""(x,) or (x, y)."""

SOLVED = 1e-4
"""How near to the lowest value counts as there, as in the tables of the lecture."""


class Maths(Protocol):
    """The functions that a formula needs besides arithmetic: of `math`, numpy or torch."""

    @property
    def exp(self) -> Callable[[Any], Any]:
        """e to the power of."""

    @property
    def cos(self) -> Callable[[Any], Any]:
        """Cosine."""


Formula = Callable[[Sequence[Any], Any], Any]
"""(coordinates, maths) → value, of floats, arrays or tensors alike."""


@dataclass(frozen=True, kw_only=True)
class SurfaceSpec:
    """One function."""

    name: str
    summary: str
    formula: str
    """In words, for people."""
    function: Formula
    start: Point
    ranges: tuple[tuple[float, float], ...]
    """(lowest, highest) of each coordinate in view."""
    minima: tuple[Point, ...]
    """Where it is lowest, all of them."""
    traps: tuple[Point, ...] = ()
    """Other points where the gradient is 0 and a run may stay: local minima, saddles, inflections."""
    paper: str = ""

    @property
    def dimension(self) -> int:
        """1 or 2."""
        return len(self.start)

    @property
    def lowest(self) -> float:
        """The lowest value."""
        return self.at(self.minima[0])

    def at(self, point: Sequence[float]) -> float:
        """The value at a point of plain numbers; NaN or infinity where it is too far away to tell."""
        try:
            return float(self.function(point, math))
        except OverflowError:
            return math.inf

    def is_lost(self, point: Sequence[float]) -> bool:
        """Whether a point is so far outside of the view that it will not come back: 20 views away, or no number."""
        return not all(
            low - 20.0 * (high - low) <= value <= high + 20.0 * (high - low)
            for value, (low, high) in zip(point, self.ranges, strict=True)
        )


def _ravine(point: Sequence[Any], maths: Any) -> Any:  # noqa: ARG001
    x, y = point
    return x * x / 64.0 + y * y


def _saddle(point: Sequence[Any], maths: Any) -> Any:  # noqa: ARG001
    x, y = point
    return x * x - y * y + y**4 / 4.0


def _inflection(point: Sequence[Any], maths: Any) -> Any:  # noqa: ARG001
    (x,) = point
    return x**4 - 3.0 * x**3 + 2.0


def _local_minimum(point: Sequence[Any], maths: Any) -> Any:
    (x,) = point
    return 0.05 * x * x - 0.2 * maths.cos(2.5 * x)


def _two_wells(point: Sequence[Any], maths: Any) -> Any:
    (x,) = point
    return 0.03 * x * x + 1.0 - maths.exp(-(((x + 1.5) / 1.2) ** 2)) - 0.9 * maths.exp(-(((x - 3.0) / 0.25) ** 2))


def _beale(point: Sequence[Any], maths: Any) -> Any:  # noqa: ARG001
    x, y = point
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def _rosenbrock(point: Sequence[Any], maths: Any) -> Any:  # noqa: ARG001
    x, y = point
    return (1.0 - x) ** 2 + 100.0 * (y - x * x) ** 2


def _himmelblau(point: Sequence[Any], maths: Any) -> Any:  # noqa: ARG001
    x, y = point
    return (x * x + y - 11.0) ** 2 + (x + y * y - 7.0) ** 2


SURFACES: dict[str, SurfaceSpec] = {
    spec.name: spec
    for spec in (
        SurfaceSpec(
            name="ravine", summary="64 times steeper across than along: SGD zigzags, momentum does not",
            formula="x²/64 + y²", function=_ravine, start=(-8.0, 1.5), ranges=((-10.0, 6.0), (-2.4, 2.4)),
            minima=((0.0, 0.0),),
        ),
        SurfaceSpec(
            name="saddle", summary="flat at (0, 0): down along y, up along x; what has no push stays",
            formula="x² − y² + y⁴/4", function=_saddle, start=(1.0, 1e-3), ranges=((-1.6, 1.6), (-2.0, 2.0)),
            minima=((0.0, math.sqrt(2.0)), (0.0, -math.sqrt(2.0))), traps=((0.0, 0.0),),
        ),
        SurfaceSpec(
            name="inflection", summary="a terrace on the way down: the gradient is 0, and only velocity carries over",
            formula="x⁴ − 3x³ + 2", function=_inflection, start=(-1.0,), ranges=((-1.4, 3.2),), minima=((2.25,),),
            traps=((0.0,),),
        ),
        SurfaceSpec(
            name="local-minimum", summary="valleys on a slope: plain descent stops in the nearest",
            formula="0.05x² − 0.2 cos 2.5x", function=_local_minimum, start=(4.0,), ranges=((-5.5, 5.5),),
            minima=((0.0,),),
            traps=((2.320249436331467,), (-2.320249436331467,), (4.56610092227497,), (-4.56610092227497,)),
        ),
        SurfaceSpec(
            name="two-wells", summary="a narrow well before a wide one: momentum skips the narrow",
            formula="0.03x² + 1 − exp(−((x+1.5)/1.2)²) − 0.9 exp(−((x−3)/0.25)²)", function=_two_wells, start=(6.0,),
            ranges=((-4.0, 7.0),), minima=((-1.4377228631011654,),), traps=((2.993758937895048,),),
        ),
        SurfaceSpec(
            name="beale", summary="a curved valley between steep walls",
            formula="(1.5−x+xy)² + (2.25−x+xy²)² + (2.625−x+xy³)²", function=_beale, start=(1.0, 1.0),
            ranges=((-0.5, 4.5), (-1.4, 1.6)), minima=((3.0, 0.5),), paper="Beale 1958",
        ),
        SurfaceSpec(
            name="rosenbrock", summary="the banana: into the valley at once, along it for ever",
            formula="(1−x)² + 100 (y−x²)²", function=_rosenbrock, start=(-1.5, 2.0),
            ranges=((-2.2, 2.0), (-1.0, 3.2)), minima=((1.0, 1.0),), paper="Rosenbrock 1960",
        ),
        SurfaceSpec(
            name="himmelblau", summary="four minima of one depth: the start, the rate and the optimizer say which",
            formula="(x²+y−11)² + (x+y²−7)²", function=_himmelblau, start=(-0.25, 1.25),
            ranges=((-5.5, 5.5), (-5.0, 5.0)),
            minima=(
                (3.0, 2.0), (-2.805118086952745, 3.131312518250573), (-3.779310253377747, -3.2831859912861696),
                (3.5844283403304917, -1.8481265269644036),
            ),
            paper="Himmelblau 1972",
        ),
    )
}  # fmt: skip


def surface_spec(name: str) -> SurfaceSpec:
    """The spec of a surface.

    Raises:
        UnknownNameError: it is not in the table; names the nearest one.
    """
    if name not in SURFACES:
        raise UnknownNameError("surface", name, SURFACES)
    return SURFACES[name]
