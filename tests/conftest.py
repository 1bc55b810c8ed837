"""Where the real data sets are, and containers that every law is checked in."""

import os

# One thread per process: the tests themselves run in parallel.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")

HERE = Path(__file__).resolve().parent


def data_folder():
    """Return the folder with the real data sets, None where there is none."""
    named = os.environ.get("RESILIENT_DATA")
    beside = HERE / "../../shared/data"
    places = [Path(named), Path(named).parent] if named else [beside]
    for folder in places:
        if (folder / "load.py").exists():
            return folder.resolve()
    return None


@lru_cache
def loader():
    folder = data_folder()
    if folder is None:
        return None
    spec = importlib.util.spec_from_file_location("load", folder / "load.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.DATA = folder / "files"
    return module


@lru_cache
def load_real(name, **options):
    """Return (X, y, meta) of a real data set; skip the test where it is absent."""
    if loader() is None:
        pytest.skip("the folder with the real data sets is absent")
    return loader().load(name, **options)


def load_slide():
    """Return the three samples of ages from the slide of the talk."""
    if loader() is None:
        pytest.skip("the folder with the real data sets is absent")
    return loader().load_talk_slide_age()


CONTAINERS = {
    "numpy": np.asarray,
    "pandas": pd.DataFrame,
    "polars": lambda X: pl.from_pandas(pd.DataFrame(X).rename(columns=str)),
}


@pytest.fixture(params=CONTAINERS)
def container(request):
    return CONTAINERS[request.param]
