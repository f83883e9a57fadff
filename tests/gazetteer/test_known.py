"""What a gazetteer says of a mention, as numbers."""

from decoupled_ner.gazetteer import Entry, Gazetteer, KnownTypes


def test_shares_of_weight_by_type() -> None:
    gazetteer = Gazetteer.from_entries(
        [
            Entry("东盟", "ORG", "a", 3.0),
            Entry("东盟", "GPE", "b", 1.0),
            Entry("投资", "O", "words", 2.0),
        ]
    )
    known = KnownTypes(gazetteer)
    assert known.labels == ("GPE", "O", "ORG")
    assert known("东盟") == [0.25, 0.0, 0.75]
    assert known("投资") == [0.0, 1.0, 0.0]
    assert known.shares("东盟") == {"ORG": 0.75, "GPE": 0.25} and known.shares("东") == {}
    assert known("东") == known("") == [0.0, 0.0, 0.0]
    assert KnownTypes(gazetteer, ["PER", "ORG"])("东盟") == [0.0, 0.75]
