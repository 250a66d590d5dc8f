"""Books from snapshots and histories: what they hold, and what is refused and how."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from riskparams.errors import DataError
from riskparams.pipeline.books import read_book
from riskparams.terms import Asset

ASSETS = (Asset("ETH"), Asset("BTC"), Asset("USD"))
CROSS = """account,asset,collateral,debt
0xb,ETH,10,0
0xa,USD,0,500.5
0xb,USD,100,15000
0xa,BTC,1,0
"""


def written(folder: Path, text: str, name: str = "book.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_of_one_account_are_liquidated_together(tmp_path: Path) -> None:
    book = read_book(written(tmp_path, CROSS), ASSETS)
    assert book.assets == ASSETS
    assert book.owner.tolist() == [0, 1]
    assert book.collateral.tolist() == [[10, 0, 100], [0, 1, 0]]
    assert book.debt.tolist() == [[0, 0, 15_000], [0, 0, 500.5]]
    assert not book.utilisation.any()


def test_rows_of_one_position_are_liquidated_apart(tmp_path: Path) -> None:
    text = "account,position,asset,collateral,debt\na,1,ETH,1,0\nb,1,BTC,1,9\na,2,ETH,2,0\na,1,USD,0,70\na,2,USD,0,90\n"
    book = read_book(written(tmp_path, text), ASSETS)
    assert book.owner.tolist() == [0, 1, 0]
    assert book.collateral[:, 0].tolist() == [1, 0, 2]
    assert book.debt.tolist() == [[0, 0, 70], [0, 9, 0], [0, 0, 90]]


def test_a_snapshot_is_the_same_in_any_format(tmp_path: Path) -> None:
    plain = read_book(written(tmp_path, CROSS), ASSETS)
    packed, parquet = tmp_path / "book.csv.gz", tmp_path / "book.parquet"
    packed.write_bytes(gzip.compress(CROSS.encode()))
    pd.read_csv(tmp_path / "book.csv").to_parquet(parquet)
    for path in (packed, parquet):
        other = read_book(path, ASSETS)
        for name in ("collateral", "debt", "owner"):
            assert np.array_equal(getattr(plain, name), getattr(other, name))


def test_names_are_text_as_they_stand(tmp_path: Path) -> None:
    text = "account,asset,collateral,debt\n007,ETH,1,0\n7,ETH,2,0\nNA,ETH,3,0\n"
    assert read_book(written(tmp_path, text), ASSETS).collateral[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,DOGE,1,0", r"book.csv, row 3: asset is DOGE: expected one of ETH, BTC, USD; correct or remove the row"),
        ("a,eth,1,0", "row 3: asset is eth"),
        ("0xb,ETH,3,0", "row 3: account is 0xb: expected one row for its ETH, and this is another"),
        ("a,ETH,-1,0", "row 3: collateral is -1: expected a finite amount of the asset, 0 or more"),
        ("a,ETH,1,nan", "row 3: debt is nan"),
        ("a,ETH,1,inf", "row 3: debt is inf"),
        ("a,ETH,1,", "row 3: debt is : expected a finite amount"),
        ("a,ETH,one,0", "row 3: collateral is one"),
        (" ,ETH,1,0", "row 3: account is  : expected a name"),
        ("a,ETH,1,0,5", "cannot be read"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, row: str, said: str) -> None:
    lines = CROSS.splitlines()
    path = written(tmp_path, "\n".join([*lines[:3], row, *lines[3:]]))
    with pytest.raises(DataError, match=said):
        read_book(path, ASSETS)


def test_a_missing_amount_of_a_parquet_file_is_not_zero(tmp_path: Path) -> None:
    path = tmp_path / "book.parquet"
    pd.DataFrame({"account": ["a", None], "asset": ["ETH"] * 2, "collateral": [1.0, 1.0], "debt": [None, 0.0]}).to_parquet(path)
    with pytest.raises(DataError, match="row 2: account is nan"):
        read_book(path, ASSETS)
    pd.DataFrame({"account": ["a"], "asset": ["ETH"], "collateral": [1.0], "debt": [np.nan]}).to_parquet(path)
    with pytest.raises(DataError, match="row 1: debt is nan"):
        read_book(path, ASSETS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("account,asset,collateral,debt\n", "is empty"),
        ("account,asset,collateral\na,ETH,1\n", "column debt is missing: it has account, asset, collateral"),
        ("account,asset,collateral,debt,note\na,ETH,1,0,x\n", "column note is not known"),
    ],
)
def test_a_file_that_is_no_snapshot_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_book(written(tmp_path, text), ASSETS)
    with pytest.raises(DataError, match="does not exist"):
        read_book(tmp_path / "absent.csv", ASSETS)
    with pytest.raises(DataError, match="cannot be read"):
        read_book(written(tmp_path, "no", "broken.parquet"), ASSETS)
