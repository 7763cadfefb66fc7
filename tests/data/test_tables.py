"""What tables beside images say of splits and classes, and that nothing of it is lost or taken for something else."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from genbench.data.found import WHOLE
from genbench.data.layout import Arrangement, arrange
from genbench.errors import UserError

FLAT = [f"{i:02}.png" for i in range(60)]
IN_FOLDERS = [f"{'cat' if i % 2 else 'dog'}/{i:02}.png" for i in range(60)]
Cell = Callable[[int], str]


def kind(i: int) -> str:
    return "cat" if i % 2 else "dog"


def split(i: int) -> str:
    return "train" if i < 40 else "test"


def camera(i: int) -> str:
    return "AB"[i % 4 // 2]


def table(names: Sequence[str], columns: Mapping[str, Cell], comma: str = ",") -> str:
    lines = [comma.join(["file_name", *columns])]
    lines += [comma.join([name, *(cell(i) for cell in columns.values())]) for i, name in enumerate(names)]
    return "\n".join(lines) + "\n"


def arranged(names: Sequence[str], tables: Mapping[str, str]) -> Arrangement:
    return arrange("here", names, {name: text.encode() for name, text in tables.items()})


def counts(found: Arrangement) -> dict[str, int]:
    return {part: len(indices) for part, indices in found.parts.items()}


def classes(found: Arrangement) -> dict[str, set[str] | None]:
    return {part: None if labels is None else set(labels.tolist()) for part, labels in found.labels.items()}


def labels_fit(found: Arrangement, cell: Cell) -> bool:
    """Whether every image has the class that its number says."""
    return all(
        labels is not None and labels.tolist() == [cell(i) for i in found.parts[part]]
        for part, labels in found.labels.items()
    )


# Splits


@pytest.mark.parametrize("comma", [",", ", ", " , ", "; ", "\t"])
def test_blanks_around_a_table_s_values_are_none_of_them(comma: str) -> None:
    """Behind `, ` the test images were training images, and the classes were called " cat" and " dog"."""
    found = arranged(FLAT, {"metadata.csv": table(FLAT, {"label": kind, "split": split}, comma)})
    assert counts(found) == {"train": 40, "test": 20}
    assert labels_fit(found, kind)
    assert found.notes == ()


def test_blanks_in_json_lines_are_none_of_the_values() -> None:
    """As in other tables, they hid the splits."""
    lines = "".join(
        f'{{"file_name": "{name}", " label": "{kind(i)} ", "split ": " {split(i)}"}}\n' for i, name in enumerate(FLAT)
    )
    found = arranged(FLAT, {"metadata.jsonl": lines})
    assert counts(found) == {"train": 40, "test": 20}
    assert labels_fit(found, kind)


@pytest.mark.parametrize(("odd", "said"), [("", "nothing"), (" ", "nothing"), ("unused", "unused")])
@pytest.mark.parametrize("called", ["split", "Set", "subset", "part"])  # the last is known by its values alone
@pytest.mark.parametrize("labelled", [True, False])
def test_a_value_that_is_no_split_leaves_its_image_out(odd: str, said: str, called: str, labelled: bool) -> None:
    """One such value, and all test images were training images; without labels the splits were the classes."""

    def odd_split(i: int) -> str:
        return odd if i == 7 else split(i)

    columns = {"label": kind, called: odd_split} if labelled else {called: odd_split}
    found = arranged(FLAT, {"metadata.csv": table(FLAT, columns)})
    assert counts(found) == {"train": 39, "test": 20}
    assert 7 not in found.parts["train"]
    assert labels_fit(found, kind) if labelled else classes(found) == {"train": None, "test": None}
    assert found.notes == (f"left out, for the table's split of them is none ({said}): 1 image",)


def test_images_of_which_one_table_says_the_class_and_none_the_split_are_left_out_for_that() -> None:
    """The reason that was given was another: that no table says their class."""
    tables = {"labels.csv": table(FLAT, {"label": kind}), "splits.csv": table(FLAT[:50], {"split": split})}
    found = arranged(FLAT, tables)
    assert counts(found) == {"train": 40, "test": 10}
    assert found.notes == ("left out, for the table's split of them is none (nothing): 10 images",)


@pytest.mark.parametrize("called", ["split", "fold", "partition"])
def test_a_column_of_other_splits_is_no_class_and_is_said(called: str) -> None:
    """CelebA's partition of 0, 1 and 2 became the classes."""
    found = arranged(FLAT, {"parts.csv": table(FLAT, {called: lambda i: str(i % 3)})})
    assert (counts(found), classes(found)) == ({WHOLE: 60}, {WHOLE: None})
    said = f"parts.csv: the column {called} is not used, for none of its values (0, 1, 2) is train, val or test"
    assert found.notes == (said,)
    found = arranged(FLAT, {"parts.csv": table(FLAT, {called: lambda i: str(i % 3), "kind": kind})})
    assert labels_fit(found, kind)
    assert said in found.notes


@pytest.mark.parametrize("called", ["Usage", "used_for"])
def test_longer_words_for_splits_are_taken_and_said(called: str) -> None:
    """Kaggle's were classes."""
    usage = table(FLAT, {called: lambda i: ("Training", "PublicTest", "PrivateTest")[i % 3], "kind": kind})
    found = arranged(FLAT, {"faces.csv": usage})
    assert counts(found) == {"train": 20, "test": 40}
    assert labels_fit(found, kind)
    assert f"taken for test by the column {called} of faces.csv: PrivateTest, PublicTest" in found.notes


def test_what_things_are_used_for_may_be_their_class() -> None:
    """Kaggle's pictures of clothes are for sports, for parties, ..."""
    found = arranged(FLAT, {"styles.csv": table(FLAT, {"usage": lambda i: ("Casual", "Sports")[i % 2]})})
    assert (counts(found), classes(found)) == ({WHOLE: 60}, {WHOLE: {"Casual", "Sports"}})


def test_classes_that_have_a_split_in_their_names_are_classes() -> None:
    stations = table(FLAT, {"label": lambda i: ("train station", "test tube")[i % 2]})
    found = arranged(FLAT, {"things.csv": stations})
    assert (counts(found), classes(found)) == ({WHOLE: 60}, {WHOLE: {"train station", "test tube"}})


def test_names_of_languages_are_no_splits() -> None:
    """Turkish and Telugu are tr and te: among other values these say no split."""
    found = arranged(FLAT, {"languages.csv": table(FLAT, {"language": lambda i: ("tr", "te", "en")[i % 3]})})
    assert (counts(found), classes(found)) == ({WHOLE: 60}, {WHOLE: {"tr", "te", "en"}})


def test_of_two_columns_of_splits_the_one_that_is_called_so_is_taken_and_said() -> None:
    """The first was taken, and nothing was said."""
    columns = {"was": lambda i: split(59 - i), "split": split}
    found = arranged(FLAT, {"splits.csv": table(FLAT, columns)})
    assert found.parts["test"] == list(range(40, 60))
    assert found.notes == ("splits.csv: the splits are those of the column split, not of was",)


# Classes of folders


@pytest.mark.parametrize(
    "tables",
    [
        {"splits.csv": table(IN_FOLDERS, {"split": split})},
        {"train.csv": table(IN_FOLDERS[:40], {}), "test.csv": table(IN_FOLDERS[40:], {})},
    ],
    ids=["a column", "two tables"],
)
def test_a_table_of_splits_leaves_folders_their_classes(tables: Mapping[str, str]) -> None:
    """The images had no classes then, and nothing was said."""
    found = arranged(IN_FOLDERS, tables)
    assert counts(found) == {"train": 40, "test": 20}
    assert labels_fit(found, kind)
    assert found.notes == ()


def test_a_table_that_agrees_with_folders_of_splits_leaves_them_their_classes() -> None:
    """As beside class folders alone, they were lost."""
    names = [f"{split(i)}/{name}" for i, name in enumerate(IN_FOLDERS)]
    found = arranged(names, {"splits.csv": table(names, {"split": split})})
    assert counts(found) == {"train": 40, "test": 20}
    assert labels_fit(found, kind)
    assert found.notes == ()


def test_a_folder_for_each_of_a_table_s_splits_is_no_class() -> None:
    """train_images/ and test_images/ beside train.csv and test.csv are splits."""
    names = [f"{split(i)}_images/{name}" for i, name in enumerate(FLAT)]
    found = arranged(names, {"train.csv": table(names[:40], {}), "test.csv": table(names[40:], {})})
    assert (counts(found), classes(found)) == ({"train": 40, "test": 20}, {"train": None, "test": None})
    said = "the folders train_images/, test_images/ are those of the splits, and are not taken for classes"
    assert found.notes == (said,)


@pytest.mark.parametrize("columns", [{"camera": camera}, {"camera": camera, "width": lambda i: str(i % 5)}])
@pytest.mark.parametrize("in_splits", [False, True])
def test_a_column_that_repeats_does_not_take_the_place_of_folders(columns: Mapping[str, Cell], in_splits: bool) -> None:
    """The classes were A and B, the cameras, in place of cat and dog."""
    names = [f"{split(i)}/{name}" for i, name in enumerate(IN_FOLDERS)] if in_splits else IN_FOLDERS
    found = arranged(names, {"metadata.csv": table(names, columns)})
    assert counts(found) == ({"train": 40, "test": 20} if in_splits else {WHOLE: 60})
    assert labels_fit(found, kind)
    assert found.notes == (
        "metadata.csv is not used for the classes, for folders are: to have those of camera instead, call that column"
        " label",
    )


@pytest.mark.parametrize("called", ["label", "class"])
def test_a_column_that_is_called_so_takes_the_place_of_folders_and_that_is_said(called: str) -> None:
    """It did so before, and nothing was said."""
    found = arranged(IN_FOLDERS, {"metadata.csv": table(IN_FOLDERS, {called: camera})})
    assert labels_fit(found, camera)
    assert found.notes == ("the classes are those that the table says, not the folders",)
    assert arranged(IN_FOLDERS, {"metadata.csv": table(IN_FOLDERS, {called: kind})}).notes == ()


def test_which_column_is_taken_only_because_it_repeats_is_said() -> None:
    """Whatever repeated was the class, and nothing was said."""
    found = arranged(FLAT, {"metadata.csv": table(FLAT, {"camera": camera})})
    assert labels_fit(found, camera)
    assert found.notes == ("the column camera of metadata.csv is taken for the class, for its values repeat",)


def test_of_several_names_of_classes_label_is_the_one() -> None:
    """Whoever followed the advice, and called one of them label, was given it again."""
    found = arranged(FLAT, {"metadata.csv": table(FLAT, {"label": kind, "category": camera})})
    assert labels_fit(found, kind)
    with pytest.raises(UserError, match=r"several columns that may be the class \(class, category\): call the one"):
        arranged(FLAT, {"metadata.csv": table(FLAT, {"class": kind, "category": camera})})


def test_folders_that_may_be_splits_are_said() -> None:
    """The images of test_set/ are training images then, and nothing was said."""
    names = [f"{split(i)}ing_set/{name}" for i, name in enumerate(IN_FOLDERS)]
    found = arranged(names, {})
    assert counts(found) == {WHOLE: 60}
    assert found.notes == (
        "the folders testing_set, training_set are taken for classes: if they are splits, call them train, val and"
        " test",
    )
    assert arranged(["car/1.png", "train/2.png", "tests/3.png"], {}).notes == ()
