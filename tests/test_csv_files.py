"""Columns and tables of CSV files: what is read, and a sentence for what cannot be."""

import numpy as np
import pytest

from zoo.datasets import csv_files


@pytest.mark.parametrize(
    ("content", "column", "expected"),
    [
        ("x\n1\n2.5\n-3e2\n", None, ("x", [1, 2.5, -300])),
        ("1\n2\n\n3\n", None, ("1", [1, 2, 3])),
        ("\ufeffage, height\r\n1,10\r\n2,20\r\n", "age", ("age", [1, 2])),
        ("age, height\n1, 10\n", "height", ("height", [10])),
        ("a;b\n1;2\n3;4\n", "a", ("a", [1, 3])),
        ("a\tb\n1\t2\n", "b", ("b", [2])),
        ("1,2\n3,4\n", "2", ("2", [2, 4])),
        ('"a, b",c\n"1",2\n', "a, b", ("a, b", [1])),
        ("a,b\n1,x\n2,\n", "a", ("a", [1, 2])),  # what stands in other columns does not matter
    ],
)
def test_a_column_is_read(content, column, expected, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(content.encode())
    name, values = csv_files.read_column(path, column)
    assert name == expected[0] and values.dtype == np.float64
    np.testing.assert_array_equal(values, expected[1])


@pytest.mark.parametrize(
    ("content", "column", "sentence"),
    [
        ("", None, " is empty: a column of numbers is needed"),
        ("\n , \n", None, " is empty: a column of numbers is needed"),
        ("height\n", None, " has a header and no numbers: a column of numbers is needed"),
        ("h\n1\ntall\n", None, ", line 3, column h: a finite number is needed, got 'tall'"),
        ("h\n\n1\nnan\n", None, ", line 4, column h: a finite number is needed, got 'nan'"),
        ("1\ninf\n", None, ", line 2, column 1: a finite number is needed, got 'inf'"),
        ("a,b\n1,2\n3\n", "b", ", line 3, column b: a finite number is needed, got ''"),
        ("a,b\n1,2\n", None, " has 2 columns: choose one by --column: a, b"),
        ("a,b\n1,2\n", "c", " has no column 'c': there are a, b"),
        ("a\n1\n", "c", " has no column 'c': there are a"),
        ('a\n"1\n', None, " cannot be read as CSV: unexpected end of data"),
    ],
)
def test_what_is_no_column_of_numbers_gets_a_sentence(content, column, sentence, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(content)
    with pytest.raises(ValueError) as caught:
        csv_files.read_column(path, column)
    assert str(caught.value) == f"{path}{sentence}"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("x1, x2\n1,2\n\n3,4\n", (["x1", "x2"], [[1, 2], [3, 4]])),
        ("1;2\n3;4e1\n", (["1", "2"], [[1, 2], [3, 40]])),
    ],
)
def test_a_table_is_read(content, expected, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(content)
    names, table = csv_files.read_table(path)
    assert names == expected[0] and table.dtype == np.float64
    np.testing.assert_array_equal(table, expected[1])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", " is empty: a column of numbers is needed"),
        ("a,b\n", " has a header and no numbers: a column of numbers is needed"),
        ("a,b\n1,2\n3\n", ", line 3: 2 numbers are needed, got 1 cells"),
        ("a,b\n1,2\n3,4,5\n", ", line 3: 2 numbers are needed, got 3 cells"),
        ("a,b\n1,2\n3,\n", ", line 3, column b: a finite number is needed, got ''"),
    ],
)
def test_what_is_no_table_of_numbers_gets_a_sentence(content, sentence, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(content)
    with pytest.raises(ValueError) as caught:
        csv_files.read_table(path)
    assert str(caught.value) == f"{path}{sentence}"


def test_what_is_no_text_file_gets_a_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"none\.csv cannot be read: No such file or directory"):
        csv_files.read_column(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        csv_files.read_column(tmp_path)
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\x00")
    with pytest.raises(ValueError, match=r"picture\.csv cannot be read: it is no UTF-8 text"):
        csv_files.read_column(tmp_path / "picture.csv")
