"""What names and tables say, without a file."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genbench.data.found import SPLITS, WHOLE
from genbench.data.layout import Arrangement, arrange
from genbench.data.names import Pair, pairs, split_in
from genbench.errors import UserError


def by_name(names: list[str], tables: Mapping[str, str] | None = None) -> dict[str, dict[str, str | None]]:
    """Each part's images with their classes."""
    found = arrange("here", names, {name: text.encode() for name, text in (tables or {}).items()})
    return {
        part: {
            names[i]: None if (labels := found.labels[part]) is None else str(labels[at])
            for at, i in enumerate(indices)
        }
        for part, indices in found.parts.items()
    }


def error_of(names: list[str], tables: Mapping[str, str] | None = None) -> str:
    with pytest.raises(UserError) as caught:
        by_name(names, tables)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_flat_images_have_no_classes() -> None:
    assert by_name(["a.png", "b.png"]) == {WHOLE: {"a.png": None, "b.png": None}}
    assert by_name(["photos/a.png", "photos/b.png"]) == {WHOLE: {"photos/a.png": None, "photos/b.png": None}}


def test_a_folder_is_a_class_however_deep() -> None:
    names = ["all/cat/1.png", "all/dog/1.png", "all/dog/small/2.png"]
    assert by_name(names) == {WHOLE: dict(zip(names, ["cat", "dog", "dog/small"], strict=True))}


@pytest.mark.parametrize("validation", ["val", "valid", "Validation", "dev"])
@pytest.mark.parametrize("wrapped", ["", "data/"])
def test_folders_of_splits_are_kept(validation: str, wrapped: str) -> None:
    names = [f"{wrapped}train/1.png", f"{wrapped}{validation}/2.png", f"{wrapped}test/3.png"]
    found = by_name(names)
    assert found == {name: {image: None} for name, image in zip(SPLITS, names, strict=True)}


def test_class_folders_below_splits_are_classes_of_all() -> None:
    names = ["train/cat/1.png", "train/dog/2.png", "test/dog/3.png"]  # one class only in a split
    assert by_name(names) == {
        "train": {"train/cat/1.png": "cat", "train/dog/2.png": "dog"},
        "test": {"test/dog/3.png": "dog"},
    }


def test_what_all_splits_wrap_their_images_in_is_no_class() -> None:
    assert by_name(["train/images/1.png", "test/images/2.png"]) == {
        "train": {"train/images/1.png": None},
        "test": {"test/images/2.png": None},
    }


def test_a_class_may_be_called_train() -> None:
    assert by_name(["car/1.png", "train/2.png"]) == {WHOLE: {"car/1.png": "car", "train/2.png": "train"}}


def test_images_that_are_in_no_split_are_counted() -> None:
    found = arrange("here", ["train/1.png", "test/2.png", "extra/3.png", "extra/4.png"], {})
    assert {part: list(indices) for part, indices in found.parts.items()} == {"train": [0], "test": [1]}
    assert found.notes == ("left out, for it is no split: extra/ with 2 images",)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["cat/1.png", "2.png"], "2.png) beside class folders"),
        (["train/cat/1.png", "train/dog/2.png", "test/3.png"], "the test images have no class folders"),
        (["train/1.png", "test/2.png", "3.png"], "1 image beside test, train/"),
        (["val/1.png", "test/2.png"], "none in train/"),
    ],
)
def test_contradictions_are_refused(names: list[str], words: str) -> None:
    assert words in error_of(names)


IMAGES = [f"images/{i}.png" for i in range(6)]


@pytest.mark.parametrize(
    "table",
    [
        pytest.param("file,label\n" + "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(6)), id="names"),
        pytest.param("id,breed\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(6)), id="without suffix"),
        pytest.param("n;path;class\n" + "".join(f"{i};images/{i}.png;{'ab'[i % 2]}\n" for i in range(6)), id="paths"),
        pytest.param("x\tkind\tf\n" + "".join(f"1\t{'ab'[i % 2]}\t./images/{i}.png\n" for i in range(6)), id="tabs"),
    ],
)
def test_a_table_beside_the_images_names_their_classes(table: str) -> None:
    found = by_name(IMAGES, {"labels.csv": table})
    assert found == {WHOLE: {name: "ab"[i % 2] for i, name in enumerate(IMAGES)}}


def test_hugging_faces_metadata_in_each_split() -> None:
    names = ["train/1.png", "train/2.png", "test/1.png"]
    tables = {
        "train/metadata.csv": "file_name,label\n1.png,x\n2.png,y\n",
        "test/metadata.jsonl": '{"file_name": "1.png", "label": "y"}\n',
    }
    assert by_name(names, tables) == {
        "train": {"train/1.png": "x", "train/2.png": "y"},
        "test": {"test/1.png": "y"},
    }


def test_a_column_of_splits_is_kept() -> None:
    table = "file,label,fold\n" + "".join(f"{i}.png,{i % 2},{'train' if i < 4 else 'test'}\n" for i in range(6))
    found = by_name(IMAGES, {"labels.csv": table})
    assert {name: len(part) for name, part in found.items()} == {"train": 4, "test": 2}


def test_images_that_a_table_does_not_name_are_left_out_and_counted() -> None:
    table = "file,label\n" + "".join(f"{i}.png,{i % 2}\n" for i in range(5))
    found = arrange("here", IMAGES, {"labels.csv": table.encode()})
    assert found.parts == {WHOLE: [0, 1, 2, 3, 4]}
    assert found.notes == ("left out, for no table names them: 1 image",)


def test_a_table_of_something_else_is_said_and_not_used() -> None:
    found = arrange("here", IMAGES, {"weather.csv": b"day,rain\nmonday,7\n"})
    assert found.notes == ("weather.csv names no image here, and is not used",)


@pytest.mark.parametrize("shares", [(8, 1, 1), (4, 3, 3), (4, 0, 0)])
@pytest.mark.parametrize("in_folders", [False, True])
def test_a_table_for_each_split(shares: tuple[int, ...], in_folders: bool) -> None:
    """A few images, or all of a split: named in full, a table is meant."""
    names, tables, expected = [], {}, {}
    for split, share in zip(("train", "val", "test"), shares, strict=True):
        own = [f"{split if in_folders else 'images'}/{split}{i}.png" for i in range(share)]
        names += own
        if own:
            tables[f"{split}.csv"] = "file,label\n" + "".join(
                f"{name.partition('/')[2]},{'ab'[i % 2]}\n" for i, name in enumerate(own)
            )
            part = {"val": "validation"}.get(split, split) if shares[1] else WHOLE
            expected[part] = {name: "ab"[i % 2] for i, name in enumerate(own)}
    if not shares[1]:
        names += [f"{'train' if in_folders else 'images'}/other{i}.png" for i in range(6)]
    assert by_name(sorted(names), tables) == expected
    found = arrange("here", sorted(names), {name: text.encode() for name, text in tables.items()})
    assert found.notes == (() if shares[1] else ("left out, for no table names them: 6 images",))


def test_kaggles_tables_without_classes() -> None:
    names = [f"images/{i}.png" for i in range(10)]
    tables = {
        "train.csv": "id,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(7)),
        "test.csv": "id,width,height\n" + "".join(f"{i}.png,{i % 2},{i % 2}\n" for i in range(7, 10)),
        "sample_submission.csv": "id,label\n" + "".join(f"{i}.png,a\n" for i in range(7, 10)),
    }
    assert by_name(names, tables) == {"train": {names[i]: "ab"[i % 2] for i in range(7)}}
    found = arrange("here", names, {name: text.encode() for name, text in tables.items()})
    assert found.notes == (
        "sample_submission.csv is not used: a submission says no classes",
        "left out, for no table says of what class they are: 3 images",
    )


@pytest.mark.parametrize(
    ("table", "note"),
    [
        ("file,caption\n" + "".join(f"{i}.png,picture {i}\n" for i in range(6)), "has no column of classes or splits"),
        ("day,kind\n1,a\n2,b\n9,a\n", "day names 2 of 6 images, maybe by chance, for it is without suffixes"),
    ],
)
def test_why_a_table_is_not_used_is_said(table: str, note: str) -> None:
    found = arrange("here", IMAGES, {"table.csv": table.encode()})
    assert found.labels == {WHOLE: None}
    assert len(found.notes) == 1
    assert note in found.notes[0]


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        # A row a box, as for detection: it took the last one's.
        (
            {"boxes.csv": "filename,class,xmin\n0.png,cat,1\n1.png,dog,2\n0.png,dog,3\n"},
            "boxes.csv says dog of images/0",
        ),
        ({"a.csv": "file,label\n0.png,a\n1.png,b\n", "b.csv": "file,label\n0.png,b\n1.png,b\n"}, "b.csv says b of"),
        ({"train.csv": "file\n0.png\n1.png\n", "test.csv": "file\n1.png\n2.png\n"}, "test.csv says test of images/1"),
        ({"labels.csv": "file,label\n0.png,a\n1.png,\n2.png,b\n"}, "labels.csv has no label for 1 image: fill it in"),
        ({"m.jsonl": '{"file": "0.png", "label": "a"}\n{"file": "1.png", "label": null}\n'}, "no label for 1 image"),
    ],
)
def test_one_class_and_one_split_an_image(tables: dict[str, str], words: str) -> None:
    assert words in error_of(IMAGES, tables)


def test_a_name_that_may_be_two_images_is_asked_about() -> None:
    """The first was taken: labels of the training images went to test images of the same name."""
    names = ["a/0.png", "a/1.png", "b/0.png"]
    said = error_of(names, {"labels.csv": "file,label\n0.png,x\n1.png,y\n"})
    assert "labels.csv says 0.png, which may be a/0.png or b/0.png" in said
    assert by_name(names, {"labels.csv": "file,label\na/0.png,x\na/1.png,y\n"}) == {
        WHOLE: {"a/0.png": "x", "a/1.png": "y"}
    }
    numbered = ["test/0.png", "train/0.png"]
    found = by_name(numbered, {"train.csv": "file,label\n0.png,x\n", "test.csv": "file,label\n0.png,y\n"})
    assert found == {"train": {"train/0.png": "x"}, "test": {"test/0.png": "y"}}


def test_splits_are_kept_where_classes_are_not_wanted() -> None:
    table = "file,label,fold\n" + "".join(f"{i}.png,{i % 2},{'train' if i < 4 else 'test'}\n" for i in range(6))
    found = arrange("here", IMAGES, {"labels.csv": table.encode()}, labelled=False)
    assert {name: list(part) for name, part in found.parts.items()} == {"train": [0, 1, 2, 3], "test": [4, 5]}
    assert set(found.labels.values()) == {None}


def test_splits_that_folders_contradict_are_said() -> None:
    names = ["train/0.png", "train/1.png", "test/2.png"]
    table = "file,fold\n0.png,train\n1.png,test\n2.png,test\n"
    found = arrange("here", names, {"folds.csv": table.encode()})
    assert {name: list(part) for name, part in found.parts.items()} == {"train": [0, 1], "test": [2]}
    assert found.notes == ("the table's splits are not used: folders say others",)


def test_a_table_with_several_classes_is_asked_about() -> None:
    table = "file,kind,size\n" + "".join(f"{i}.png,{i % 2},{i % 3}\n" for i in range(6))
    assert "several columns that may be the class (kind, size)" in error_of(IMAGES, {"labels.csv": table})
    assert arrange("here", IMAGES, {"labels.csv": table.encode()}, labelled=False).labels == {WHOLE: None}


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=9), min_size=1),
    st.dictionaries(st.sampled_from(["a.csv", "b/c.tsv", "d.jsonl"]), st.binary(max_size=200)),
)
def test_any_names_and_tables_are_sorted_or_refused(names: list[str], tables: dict[str, bytes]) -> None:
    names = sorted({f"{name}.png".lstrip("/") for name in names})
    found: Arrangement | None = None
    why = ""
    try:
        found = arrange("here", names, tables)
    except UserError as error:
        why = str(error)
    assert "\n" not in why
    if found is None:
        return
    taken = [i for indices in found.parts.values() for i in indices]
    assert len(taken) == len(set(taken)) <= len(names)
    for part, indices in found.parts.items():
        labels = found.labels[part]
        assert labels is None or len(labels) == len(indices)
        assert list(indices) == sorted(indices)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["anything"], {WHOLE: Pair("anything", None)}),
        (["X", "Y"], {WHOLE: Pair("X", "Y")}),
        (["x", "y"], {WHOLE: Pair("x", "y")}),
        (["image", "label"], {WHOLE: Pair("image", "label")}),
        (["images", "labels", "class_names"], {WHOLE: Pair("images", "labels")}),
        (["train_x", "train_y", "train_class_names"], {"train": Pair("train_x", "train_y")}),
        (["data", "target"], {WHOLE: Pair("data", "target")}),
        (["arr_0", "arr_1"], {WHOLE: Pair("arr_0", "arr_1")}),
        (["images", "labels", "names"], {WHOLE: Pair("images", "labels")}),
        (["X_train", "y_train", "X_test", "y_test"], {k: Pair(f"X_{k}", f"y_{k}") for k in ("train", "test")}),
        (["trainX", "trainY", "testX"], {"train": Pair("trainX", "trainY"), "test": Pair("testX", None)}),
        (
            ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
            {
                "train": Pair("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
                "test": Pair("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
            },
        ),
        (["/train/x", "/valid/x"], {"train": Pair("/train/x", None), "validation": Pair("/valid/x", None)}),
        (["a", "b"], {}),
        (["images", "pixels"], {}),
    ],
)
def test_what_arrays_are_is_told_by_their_names(names: list[str], expected: dict[str, Pair]) -> None:
    assert pairs(names) == expected


def test_a_name_that_mentions_two_splits_mentions_none() -> None:
    assert split_in("train-00000-of-00001") == "train"
    assert split_in("train_and_test") is None
    assert split_in("latest") is None
