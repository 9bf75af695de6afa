"""The optimizers, as specs: what each takes, what it is good for, what to watch.

The formulas are those of the papers as torch implements them; `build/optimizers.py` makes the torch objects.
To add one: a spec in one of the three `optimizers_*` tables, a builder there, and the tests parametrised over this
table cover it.
"""

from __future__ import annotations

from collections.abc import Mapping

from tuitrain.errors import UnknownNameError
from tuitrain.protocol.plan import Value
from tuitrain.techniques.optimizer_spec import OptimizerSpec
from tuitrain.techniques.optimizers_adam import ADAMS
from tuitrain.techniques.optimizers_classic import CLASSIC
from tuitrain.techniques.optimizers_modern import MODERN

OPTIMIZERS: dict[str, OptimizerSpec] = {spec.name: spec for spec in (*CLASSIC, *ADAMS, *MODERN)}


def optimizer_spec(name: str) -> OptimizerSpec:
    """The spec of an optimizer.

    Raises:
        UnknownNameError: it is not in the table; names the nearest one.
    """
    try:
        return OPTIMIZERS[name]
    except KeyError:
        raise UnknownNameError("optimizer", name, OPTIMIZERS) from None


def split_betas(given: Mapping[str, Value]) -> dict[str, Value]:
    """`betas = [b1, b2]`, as torch writes it, becomes `beta1` and `beta2`; the rest stays."""
    values = dict(given)
    betas = values.get("betas")
    if isinstance(betas, list) and len(betas) == 2:
        del values["betas"]
        values["beta1"], values["beta2"] = betas
    return values
