"""Where a model computes, and in which precision."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, TypeVar, get_args

import torch
from transformers import PreTrainedModel

from decoupled_ner.types import InputError

DType = Literal["float32", "bfloat16", "float16"]

_Model = TypeVar("_Model", bound=PreTrainedModel)


def ready(model: _Model, device: str) -> _Model:
    """The model in eval mode on a device; ``auto`` takes a GPU where there is one, in training on
    several of them the process's own.

    Raises:
        InputError: there is no such device, or this build of torch can't use it.
    """
    if device == "auto":
        gpus = torch.cuda.device_count()
        device = f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % gpus}" if gpus else "cpu"
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:  # the former from a build without CUDA
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"device {device!r} can't be used ({reason}): give auto, cpu, cuda or cuda:N"
        ) from error
    torch.nn.Module.to(model.train(False), device)
    return model


def autocast_dtype(dtype: DType) -> torch.dtype | None:
    """What `precision` takes: None for float32.

    Raises:
        InputError: there is no such dtype.
    """
    if dtype not in get_args(DType):
        raise InputError(f"no dtype {dtype!r}: give {', '.join(get_args(DType))}")
    return None if dtype == "float32" else getattr(torch, dtype)


def precision(model: PreTrainedModel, dtype: torch.dtype | None) -> AbstractContextManager[None]:
    """Autocast is a setting of the running thread, so it is entered around each pass. None keeps
    the caller's, e.g. the trainer's."""
    return nullcontext() if dtype is None else torch.autocast(model.device.type, dtype=dtype)
