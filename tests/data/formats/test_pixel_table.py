import gzip
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from genbench.data.formats import pixel_table
from genbench.data.found import Found
from genbench.data.sources import load_data
from tests.data.formats.reading import Bytes, colour, config, grey, labels, load, pixels, read_or_refused, refusal

LABELS = [i % 3 for i in range(30)]
NUMBERS = [i // 3 % 5 for i in range(30)]  # of every split all


def table(
    path: Path,
    images: npt.NDArray[Any],
    columns: Sequence[tuple[int, Sequence[object]]] = (),
    header: str = "",
    by: str = ",",
) -> Path:
    """Rows of pixels with other columns put in at their places."""
    lines = [header] if header else []
    for i, image in enumerate(images):
        cells = [str(value) for value in image.reshape(-1)]
        for at, values in columns:
            cells.insert(at, str(values[i]))
        lines.append(by.join(cells))
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def names(*others: tuple[int, str], count: int = 64, pixel: str = "pixel{}") -> list[str]:
    found = [pixel.format(i) for i in range(count)]
    for at, name in others:
        found.insert(at, name)
    return found


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.tsv", "a.csv.gz"])
@pytest.mark.parametrize("by", [",", ";", "\t", " ", "   "])
def test_kaggles_table(tmp_path: Path, name: str, by: str) -> None:
    path = table(tmp_path / name, grey(30), [(0, LABELS)], by.join(names((0, "label"))), by)
    found = load(path)
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == LABELS


@pytest.mark.parametrize("at", [0, 20, 64])
@pytest.mark.parametrize("called", ["label", "class", "y", "Target"])
def test_label_column_is_found_by_its_name(tmp_path: Path, at: int, called: str) -> None:
    found = load(table(tmp_path / "a.csv", grey(30), [(at, LABELS)], ",".join(names((at, called)))))
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == LABELS


@pytest.mark.parametrize("pixel", ["{}", "1x{}", "px_{}", "R{}C7"])
def test_pixels_may_be_called_otherwise(tmp_path: Path, pixel: str) -> None:
    header = ",".join(f'"{name}"' for name in names((0, "digit"), pixel=pixel))
    found = load(table(tmp_path / "a.csv", grey(30), [(0, LABELS)], header))
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == LABELS


def test_numbers_of_the_columns_are_no_row_of_pixels(tmp_path: Path) -> None:
    found = load(table(tmp_path / "a.csv", grey(30), [(0, LABELS)], ",".join(map(str, range(65)))))
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == LABELS


def test_a_row_that_pandas_took_for_names_is_no_row_of_pixels(tmp_path: Path) -> None:
    header = ",".join(["0", *(f"0.{i}" for i in range(1, 40)), "255", *(f"0.{i}" for i in range(40, 64))])
    found = load(table(tmp_path / "a.csv", grey(30), [(0, LABELS)], header))
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == LABELS


def test_names_without_numbers_are_pixels_if_numbers_stand_below(tmp_path: Path) -> None:
    words = [f"{a}{b}" for a in "abcdefgh" for b in "stuvwxyz"]
    found = load(table(tmp_path / "a.csv", grey(30), [(0, LABELS)], ",".join(["label", *words])))
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == LABELS
    measured = [["label", *words], ["b", *["no number"] * 64]]
    (tmp_path / "b.csv").write_text("\n".join(",".join(row) for row in measured))
    assert not pixel_table.takes(tmp_path / "b.csv")


def test_of_several_classes_the_one_called_label_is_taken(tmp_path: Path) -> None:
    """Both were dropped, and nothing was said."""
    columns: list[tuple[int, Sequence[object]]] = [(0, LABELS), (1, [f"digit {label}" for label in LABELS])]
    found = load(table(tmp_path / "a.csv", grey(30), columns, ",".join(names((0, "label"), (1, "label_name")))))
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == LABELS
    path = table(tmp_path / "b.csv", grey(30), columns, ",".join(names((0, "class_id"), (1, "class_name"))))
    assert "columns class_id, class_name may each be the class: call the one `label`" in refusal(path)


def test_other_columns_are_left_out(tmp_path: Path) -> None:
    columns: list[tuple[int, Sequence[object]]] = [(0, range(100, 130)), (1, LABELS), (66, ["by hand"] * 30)]
    header = ",".join(names((0, "id"), (1, "label"), (66, "source")))
    found = load(table(tmp_path / "a.csv", grey(30), columns, header))
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == LABELS
    assert found.notes == ("columns that are not used: id, source",)
    found = load(table(tmp_path / "b.csv", grey(30), [(0, list(range(30)))], ",".join(names((0, "id")))))
    assert labels(found) is None


SPLITS = ["train", "test", "Validation"] * 10


def check_divided(found: Found, *, labelled: bool) -> None:
    """Every third image is for training, and so on, with its own label."""
    for i, split in enumerate(("train", "test", "validation")):
        assert np.array_equal(pixels(found, split), grey(30)[i::3])
        assert labels(found, split) == (NUMBERS[i::3] if labelled else None)
    assert list(found.parts) == ["train", "validation", "test"]


@pytest.mark.parametrize("called", ["split", "Usage", "data_split"])
@pytest.mark.parametrize("at", [0, 5, 64])
def test_a_column_of_splits_is_no_class_and_divides_the_images(tmp_path: Path, at: int, called: str) -> None:
    """It was a class, or not used: test images were trained on."""
    found = load(table(tmp_path / "a.csv", grey(30), [(at, SPLITS)], ",".join(names((at, called)))))
    check_divided(found, labelled=False)
    assert found.notes == ()
    columns: list[tuple[int, Sequence[object]]] = [(0, NUMBERS), (at + 1, SPLITS)]
    found = load(table(tmp_path / "b.csv", grey(30), columns, ",".join(names((0, "label"), (at + 1, called)))))
    check_divided(found, labelled=True)
    assert found.notes == ()


@pytest.mark.parametrize("by", [",", "\t"])
def test_several_columns_of_words_at_both_ends(tmp_path: Path, by: str) -> None:
    columns: list[tuple[int, Sequence[object]]] = [(0, SPLITS), (1, NUMBERS), (66, range(30))]
    header = by.join(names((0, "split"), (1, "emotion"), (66, "id")))
    found = load(table(tmp_path / "a.csv", grey(30), columns, header, by))
    check_divided(found, labelled=True)
    assert found.notes == ("columns that are not used: id", "the column emotion is taken for the class")
    columns = [(64, NUMBERS), (65, SPLITS)]
    found = load(table(tmp_path / "b.csv", grey(30), columns, by.join(names((64, "label"), (65, "split"))), by))
    check_divided(found, labelled=True)


def test_rows_of_no_split_are_left_out_and_words_for_none_are_said(tmp_path: Path) -> None:
    header = ",".join(names((0, "split")))
    words = ["training", "PublicTest", "extra"] * 10
    found = load(table(tmp_path / "a.csv", grey(30), [(0, words)], header))
    assert np.array_equal(pixels(found, "train"), grey(30)[::3])
    assert np.array_equal(pixels(found, "test"), grey(30)[1::3])
    assert found.notes == (
        "taken for test by the column split: PublicTest",
        "left out, for the column split says no split of them (extra): 10 images",
    )
    found = load(table(tmp_path / "b.csv", grey(30), [(0, ["1", "2", "3"] * 10)], header))
    assert np.array_equal(pixels(found), grey(30))
    assert found.notes == ("the column split is not used, for none of its values (1, 2, 3) is train",)


# All pixels in one value


def in_cells(path: Path, images: Bytes, header: str, *beside: Sequence[object], quote: str = "") -> Path:
    """Rows with all pixels in their second value, as in fer2013.csv."""
    lines = [header]
    for i, image in enumerate(images):
        cell = " ".join(map(str, image.reshape(-1)))
        before, *after = (str(values[i]) for values in beside)
        lines.append(",".join([before, f"{quote}{cell}{quote}", *after]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("quote", ["", '"'])
def test_pixels_in_one_value_with_classes_and_splits_beside(tmp_path: Path, quote: str) -> None:
    """fer2013.csv was no kind of file that is read."""
    usage = ["Training", "PrivateTest", "PublicTest"] * 10
    found = load(in_cells(tmp_path / "a.csv", grey(30), "emotion,pixels,Usage", NUMBERS, usage, quote=quote))
    assert np.array_equal(pixels(found, "train"), grey(30)[::3])
    assert np.array_equal(pixels(found, "test"), grey(30)[[i for i in range(30) if i % 3]])
    assert labels(found, "train") == NUMBERS[::3]
    assert found.notes == (
        "the column emotion is taken for the class",
        "taken for test by the column Usage: PrivateTest, PublicTest",
    )
    found = load(in_cells(tmp_path / "b.csv", grey(30), "label,pixels", NUMBERS))
    assert np.array_equal(pixels(found), grey(30))
    assert (labels(found), found.notes) == (NUMBERS, ())
    found = load(in_cells(tmp_path / "c.csv", grey(30), "age,pixels,gender", NUMBERS, ["a", "b"] * 15))
    said = "columns that are not used: age, gender; if one of them is the class, call it label"
    assert (labels(found), found.notes) == (None, (said,))


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("1 2 3", "line 17 has 3 pixels, not 64: mend or remove it"),
        (" ".join(["7"] * 63) + " x", "line 17, pixel 64: 'x' is no number: mend it"),
        (" ".join(["7"] * 64) + ",", "line 17 has 3 values, not 2: mend or remove it"),
    ],
)
def test_a_value_that_is_not_all_pixels_is_named(tmp_path: Path, cell: str, words: str) -> None:
    path = in_cells(tmp_path / "a.csv", grey(30), "label,pixels", NUMBERS)
    lines = path.read_text().splitlines()
    lines[16] = f"1,{cell}"
    path.write_text("\n".join(lines))
    assert words in refusal(path)


# Without names


@pytest.mark.parametrize("at", [0, 64])
def test_label_without_a_header_is_the_column_of_few_whole_numbers(tmp_path: Path, at: int) -> None:
    images = grey(30)
    for corner in (7, 3):  # a corner that is mostly black, and one that is always
        images[:, 0, 0] = images[:, 7, 7] = 0
        images[corner % 7, 0, 0] = images[corner % 7, 7, 7] = corner == 7
        found = load(table(tmp_path / f"{corner}.csv", images, [(at, LABELS)]))
        assert np.array_equal(pixels(found), images)
        assert labels(found) == LABELS


def written_digits(*classes: int) -> tuple[npt.NDArray[Any], list[int]]:
    """Of scikit-learn, 0 to 16."""
    values, numbers = load_digits(return_X_y=True)
    chosen = np.isin(numbers, classes)
    return values[chosen].astype(np.int64).reshape(-1, 8, 8), numbers[chosen].tolist()


@pytest.mark.parametrize("at", [0, 64])
@pytest.mark.parametrize("classes", [(2, 5), (4, 9), (0, 2, 4, 6, 8), tuple(range(10))])
def test_classes_without_a_header_need_not_be_neighbours(tmp_path: Path, at: int, classes: tuple[int, ...]) -> None:
    """The last pixel, 0 to 16, was taken for the class, or the table was refused."""
    images, numbers = written_digits(*classes)
    path = table(tmp_path / "a.csv", images, [(at, numbers)])
    found = load(path, scale=255)
    assert np.array_equal(pixels(found), images)
    assert labels(found) == numbers
    said = "the last column is taken" if at else "the first column is taken"
    assert [note for note in found.notes if said in note]
    assert load(path, scale=255, labels=False).notes == ()


def test_two_columns_that_may_be_the_class_are_refused(tmp_path: Path) -> None:
    images = grey(40)
    images[:, 0, 0] = np.arange(40) // 2 % 2 * 7
    assert "nothing says whether" in refusal(table(tmp_path / "a.csv", images, [(64, [i % 2 for i in range(40)])]))


def test_a_column_that_counts_the_rows_is_no_class(tmp_path: Path) -> None:
    """The last pixel was one then."""
    images, numbers = written_digits(3, 8)
    found = load(table(tmp_path / "a.csv", images, [(0, range(len(numbers)))]), scale=255)
    assert np.array_equal(pixels(found), images)
    assert labels(found) is None
    assert "the first column counts the rows, and is not used" in found.notes


@pytest.mark.parametrize("called", ["ImageId", "idx", "filename"])
def test_a_column_of_another_name_is_the_class_if_it_repeats(tmp_path: Path, called: str) -> None:
    """There were as many classes as images."""
    header = ",".join(names((0, called)))
    found = load(table(tmp_path / "a.csv", grey(30), [(0, range(30))], header))
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) is None
    assert [note for note in found.notes if f"the column {called} is not used" in note]
    found = load(table(tmp_path / "b.csv", grey(30), [(0, LABELS)], header))
    assert labels(found) == LABELS
    assert f"the column {called} is taken for the class" in found.notes


@pytest.mark.parametrize("pixel", ["pixel{0}", "{1}x{2}", "r{1}c{2}", "x{2}y{1}", "28x28_{0}", "p{1:02}_{2:02}"])
@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("order", ["text", "columns", "shuffled"])
def test_pixels_are_in_the_order_of_their_names(tmp_path: Path, pixel: str, start: int, order: str) -> None:
    """Sorted as text, pixel10 before pixel2, pictures were scrambled; column by column they lay on their side."""
    called = [pixel.format(i + start, i // 8 + start, i % 8 + start) for i in range(64)]
    by_column = np.arange(64).reshape(8, 8).T.reshape(-1)
    places = {
        "text": np.argsort(called, kind="stable"),
        "columns": by_column,
        "shuffled": np.random.default_rng(0).permutation(64),
    }[order]
    images = grey(30).reshape(30, -1)[:, places]
    header = ",".join(["label", *(called[i] for i in places)])
    found = load(table(tmp_path / "a.csv", images, [(0, LABELS)], header))
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == LABELS
    in_order = bool((np.diff(places) == 1).all())
    assert bool([note for note in found.notes if "in the order of their names" in note]) != in_order


@pytest.mark.parametrize(
    "called",
    [
        [f"pixel{2 * i}" for i in range(64)],
        [f"pixel{i + 7}" for i in range(64)],
        [f"pixel{i // 2}" for i in range(64)],
        [f"{i // 8}x{i % 8 * 3}" for i in range(64)],
        [f"{'ab'[i % 2]}{64 - i}" for i in range(64)],
    ],
)
def test_names_that_say_no_order_are_refused(tmp_path: Path, called: list[str]) -> None:
    path = table(tmp_path / "a.csv", grey(30), [(0, LABELS)], ",".join(["label", *called]))
    assert "do not say their order: call them pixel0, pixel1" in refusal(path)


def test_colours_by_their_names(tmp_path: Path) -> None:
    planes = colour(30).transpose(0, 3, 1, 2)
    for called in ([f"{c}{i}" for c in "rgb" for i in range(64)], [f"c{c}_{i}" for c in range(3) for i in range(64)]):
        found = load(table(tmp_path / "a.csv", planes, [(0, LABELS)], ",".join(["label", *called])))
        assert np.array_equal(pixels(found), colour(30))


def test_without_a_label(tmp_path: Path) -> None:
    for header in ("", ",".join(names())):
        found = load(table(tmp_path / "a.csv", grey(30), header=header))
        assert np.array_equal(pixels(found), grey(30))
        assert labels(found) is None


def test_colour_is_plane_by_plane(tmp_path: Path) -> None:
    planes = colour(30).transpose(0, 3, 1, 2)
    found = load(table(tmp_path / "a.csv", planes, [(192, LABELS)]))
    assert np.array_equal(pixels(found), colour(30))
    assert labels(found) == LABELS


@pytest.mark.parametrize("header", ["", ",".join(names((0, "label")))])
def test_labels_may_be_names(tmp_path: Path, header: str) -> None:
    words = [f'"{"abc"[i]}"' if header else "abc"[i] for i in LABELS]
    found = load(table(tmp_path / "a.csv", grey(30), [(0, words)], header))
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == ["abc"[i] for i in LABELS]


def test_values_keep_their_type(tmp_path: Path) -> None:
    deep = grey(30).astype(np.int64) * 4
    for images, kind, options in (
        (deep, np.int16, {"scale": 1020}),
        (deep - 510, np.int16, {"range": [-510, 510]}),
        (grey(30) / 255, np.float32, {}),
        (grey(30), np.uint8, {}),
    ):
        path = table(tmp_path / "a.csv", images, [(0, LABELS)], ",".join(names((0, "label"))))
        assert pixel_table.arrays(path)["images"].dtype == kind
        assert np.array_equal(pixels(load(path, **options)), grey(30))


def test_a_value_far_down_that_is_not_whole(tmp_path: Path) -> None:
    images = np.ones((2100, 1024))
    images[2090, 1000] = 0.5
    np.savetxt(tmp_path / "a.csv", images, "%g", ",")
    read = pixel_table.arrays(tmp_path / "a.csv")["images"]
    assert np.array_equal(read[:], images)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("file,label\na.png,0\nb.png,1\n", id="names of files"),
        pytest.param("file_name,text\nmetadata/a.png,a cat\n", id="captions"),
        pytest.param("sepal,petal,class\n1,2,0\n", id="measurements"),
        pytest.param("image_id," + ",".join(f"attribute{i}" for i in range(40)) + "\na.jpg" + ",1" * 40, id="CelebA"),
        pytest.param("a b c\n", id="words"),
        pytest.param("", id="empty"),
        pytest.param("\n\n", id="blank"),
        pytest.param("ImageId,Label\n1,0\n2,0\n", id="Kaggle's sample of a submission"),
        pytest.param("3,9,3,4,7\n1,9,4,4,5\n", id="few numbers"),
        pytest.param("x" * 9_000_000, id="a long line"),
    ],
)
def test_other_tables_are_not_taken(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert not pixel_table.takes(tmp_path / "a.csv")


def test_taking_reads_the_start_only_and_never_raises(tmp_path: Path) -> None:
    start = ",".join(names((0, "label"))) + "\n" + ",".join("0" * 65) + "\n"
    (tmp_path / "a.csv").write_bytes(start.encode() + bytes(50_000_000))
    tracemalloc.start()
    assert pixel_table.takes(tmp_path / "a.csv")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert not pixel_table.takes(tmp_path)
    assert not pixel_table.takes(tmp_path / "gone.csv")
    (tmp_path / "b.csv.gz").write_bytes(b"\x1f\x8b\x08 no gzip")
    assert not pixel_table.takes(tmp_path / "b.csv.gz")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1,2,3", "line 17 has 3 values, not 65"),
        ("1" + ",2" * 65, "line 17 has 66 values, not 65"),
        ("1" + ",2" * 63 + ",x", "line 17, column 65: 'x' is no number"),
        ("1,," + ",".join("2" * 63), "line 17, column 2: '' is no number"),
    ],
)
@pytest.mark.parametrize("at", [0, 30])
def test_a_row_that_is_none_is_named(tmp_path: Path, line: str, words: str, at: int) -> None:
    path = table(tmp_path / "a.csv", grey(30), [(at, LABELS)], ",".join(names((at, "label"))))
    lines = path.read_text().splitlines()
    lines[16] = line
    path.write_text("\n".join(lines))
    text = refusal(path)
    assert words in text
    assert "mend" in text


def test_a_short_row_is_named_where_labels_are_last(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", grey(30), [(64, LABELS)], ",".join(names((64, "label"))))
    path.write_text(path.read_text() + "\n1,2,3\n")
    assert "line 33 has 3 values, not 65" in refusal(path)


def test_missing_labels_can_be_done_without(tmp_path: Path) -> None:
    some = [*LABELS[:-1], ""]
    path = table(tmp_path / "a.csv", grey(30), [(0, some)], ",".join(names((0, "label"))))
    assert "data.labels=false" in refusal(path)
    assert np.array_equal(pixels(load(path, labels=False)), grey(30))


def test_no_column_that_could_be_the_class(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", grey(30), [(0, [0.5 * i for i in range(30)])])
    assert "give the table a header, label,pixel0" in refusal(path)
    (tmp_path / "b.csv").write_text(",".join(names((0, "label"))))
    assert "holds no row of pixels" in refusal(tmp_path / "b.csv")


def test_a_line_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path / "a.csv", grey(30), [(0, LABELS)])
    path.write_text(path.read_text() + ",0" * 1000)
    monkeypatch.setattr(pixel_table, "_LONGEST", 1000)
    assert "line 31 is longer than any row of pixels" in refusal(path)


def test_more_than_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path / "a.csv", grey(30))
    monkeypatch.setattr(pixel_table, "memory", lambda: 3000)
    assert "save its pixels as a .npy file" in refusal(path)


def test_kaggles_folder_with_train_and_test(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", grey(30), [(0, LABELS)], ",".join(names((0, "label"))))
    table(tmp_path / "test.csv", grey(20, seed=1), header=",".join(names()))
    (tmp_path / "sample_submission.csv").write_text("ImageId,Label\n1,0\n")
    found = load(tmp_path)
    assert labels(found, "train") == LABELS
    assert labels(found, "test") is None
    assert np.array_equal(pixels(found, "train"), grey(30))
    assert np.array_equal(pixels(found, "test"), grey(20, seed=1))
    with pytest.raises(Exception, match=r"none for test: data\.labels=false"):
        load_data(config(tmp_path))
    data = load_data(config(tmp_path, labels=False))
    assert (len(data.train) + len(data.validation), len(data.test)) == (30, 20)


def test_packed_tables_of_splits(tmp_path: Path) -> None:
    for name, count in (("train", 30), ("test", 20)):
        table(tmp_path / f"{name}.csv.gz", grey(count), [(0, LABELS)], ",".join(names((0, "label"))))
    found = load(tmp_path)
    assert labels(found, "test") == LABELS[:20]
    assert labels(found, "train") == LABELS


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300) | st.text(alphabet="0123456789,;\t\n.ex- \"'\0", max_size=300).map(str.encode))
@pytest.mark.slow
def test_anything_below_a_header_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    for start in (",".join(names((0, "label"))) + "\n", "1" + ",2" * 64 + "\n", ""):
        path.write_bytes(start.encode() + content)
        read_or_refused(path)
