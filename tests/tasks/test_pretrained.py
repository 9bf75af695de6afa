"""torchvision's own weights: from a file that is there without a network, and a clear error where neither is."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch

from tests.training.harness import build
from tuitrain.errors import DataError
from tuitrain.protocol.events import WeightsLoaded
from tuitrain.tasks.build.pretrained import pretrained_weights

TINY = ("task.dataset=digits", "task.num_train=32", "train.batch_size=4", "task.pretrained=true", "train.steps=1",
        "eval.max_batches=1", "eval.batch_size=8")  # fmt: skip
FILE = "resnet18-f37072fd.pth"


def put(folder: Path) -> dict[str, torch.Tensor]:
    """A file such as a download leaves, with other numbers."""
    from torchvision.models import get_model

    torch.manual_seed(7)
    state = get_model("resnet18", weights=None).state_dict()
    folder.mkdir(parents=True)
    torch.save(state, folder / FILE)
    return dict(state)


def test_weights_that_are_there_are_taken_and_the_new_stem_and_head_are_told(tmp_path: Path) -> None:
    """All but the first convolution, which small pictures need in another size, and the last layer."""
    state = put(tmp_path / "weights")
    trainer = build(*TINY, preset="resnet18", data_folder=tmp_path)
    told = next(fact for fact in trainer.run.take_facts() if isinstance(fact, WeightsLoaded))
    assert (told.source, told.checkpoint) == ("torchvision", FILE)
    assert [name.split(" ")[0] for name in told.left] == ["conv1.weight", "fc.weight", "fc.bias"]
    model = trainer.task.model.state_dict()
    assert torch.equal(model["layer1.0.conv1.weight"], state["layer1.0.conv1.weight"])
    assert "64×3×7×7 there, 64×1×3×3 here" in told.left[0]


def test_without_a_network_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback, no bar, and the patience of sockets is as before."""

    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(DataError, match="cannot be downloaded") as caught:
        build(*TINY, preset="resnet18", data_folder=tmp_path)
    assert "task.pretrained=false" in caught.value.hint
    assert socket.getdefaulttimeout() is None


def test_a_file_that_is_no_weights_is_said(tmp_path: Path) -> None:
    """As a download that was cut off by hand."""
    (tmp_path / FILE).write_bytes(b"no weights")
    with pytest.raises(DataError, match="cannot be read"):
        pretrained_weights("resnet18", tmp_path)
