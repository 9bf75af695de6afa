"""What each of the runs that are at work at once may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuitrain.comparing import slots
from tuitrain.comparing.slots import default_parallel, slot_environment, usable_cores, visible_gpus


def test_cores_and_gpus_are_dealt_round_the_slots() -> None:
    """Each has its share of the threads, one at least; GPUs go round."""
    dealt = [slot_environment(slot, 4, num_cores=9, gpus=["0", "GPU-5"]) for slot in range(4)]
    assert [one["OMP_NUM_THREADS"] for one in dealt] == [one["MKL_NUM_THREADS"] for one in dealt] == ["2"] * 4
    assert [one["CUDA_VISIBLE_DEVICES"] for one in dealt] == ["0", "GPU-5", "0", "GPU-5"]
    assert slot_environment(0, 8, num_cores=2, gpus=[]) == {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@pytest.mark.parametrize(("device", "is_dealt"), [("auto", True), ("cuda", True), ("cpu", False), ("cuda:1", False)])
def test_a_run_that_names_its_device_keeps_it(device: str, is_dealt: bool) -> None:
    """A GPU by its number would not be found among the one that is visible; a run on the CPU needs none."""
    assert ("CUDA_VISIBLE_DEVICES" in slot_environment(1, 2, device=device, num_cores=2, gpus=["0", "1"])) == is_dealt


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("2,0", ["2", "0"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
        (" GPU-7f3a , MIG-11/2/0 ", ["GPU-7f3a", "MIG-11/2/0"]),
    ],
)
def test_only_gpus_that_this_process_sees_are_dealt(said: str, seen: list[str]) -> None:
    """CUDA_VISIBLE_DEVICES as CUDA reads it: up to the first name that it would not take."""
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": said}) == seen


class Driver:
    """NVML with two GPUs, the second of which is cut into two slices."""

    NVML_DEVICE_MIG_ENABLE = 1

    NVMLError = LookupError

    def __init__(self, is_cut: bool) -> None:
        self._is_cut = is_cut

    def nvmlInit(self) -> None: ...  # noqa: N802

    def nvmlShutdown(self) -> None: ...  # noqa: N802

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        return f"GPU-{index}"

    def nvmlDeviceGetUUID(self, handle: str) -> str:  # noqa: N802
        return handle

    def nvmlDeviceGetMigMode(self, handle: str) -> tuple[int, int]:  # noqa: N802
        if handle == "GPU-0":
            raise self.NVMLError
        return (int(self._is_cut), 0)

    def nvmlDeviceGetMaxMigDeviceCount(self, _handle: str) -> int:  # noqa: N802
        return 3

    def nvmlDeviceGetMigDeviceHandleByIndex(self, _handle: str, index: int) -> str:  # noqa: N802
        if index == 2:
            raise self.NVMLError
        return f"MIG-{index}"


@pytest.mark.parametrize(("is_cut", "seen"), [(False, ["0", "1"]), (True, ["GPU-0", "MIG-0", "MIG-1"])])
def test_the_driver_is_asked_where_nothing_is_said(
    is_cut: bool, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU that is cut counts as its slices; each of them takes a run."""
    monkeypatch.setitem(__import__("sys").modules, "pynvml", Driver(is_cut))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus({}) == seen
    assert default_parallel() == len(seen)


def test_without_a_gpu_half_the_cores_are_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one where there is one core."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for cores, wanted in ((8, 4), (3, 1), (1, 1)):
        monkeypatch.setattr(slots, "usable_cores", lambda cores=cores: cores)
        assert default_parallel() == wanted


def test_a_control_group_limits_the_cores(tmp_path: Path) -> None:
    """Its own limit or that of one around it; a part of a core is rounded off, to one at least."""
    of_process = tmp_path / "cgroup"
    of_process.write_text("0::/a/b\n")
    (tmp_path / "fs/a/b").mkdir(parents=True)
    all_cores = usable_cores(tmp_path / "fs", of_process)
    assert all_cores == usable_cores(tmp_path / "nowhere", tmp_path / "nothing") == len(os.sched_getaffinity(0))
    (tmp_path / "fs/a/b/cpu.max").write_text("max 100000\n")
    assert usable_cores(tmp_path / "fs", of_process) == all_cores
    (tmp_path / "fs/a/cpu.max").write_text("150000 100000\n")
    assert usable_cores(tmp_path / "fs", of_process) == 1
    (tmp_path / "fs/a/cpu.max").write_text("50000 100000\n")
    assert usable_cores(tmp_path / "fs", of_process) == 1
