import string
import unicodedata

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foldctx.evidence import Evidence, Match, find_quote, support
from foldctx.evidence.plain import plain

TEXT = (
    "The landlord, Ms “Ana” Weiß, rents the flat for 1,250 euros a month.\n"
    "Pets are not allowed — not even ﬁsh. The of-\nfice opens at 9:30; the well-\nknown café "
    "nearby sells co\u00adoperative coffee.\u00a0 Notice must be given three months\nbefore."
)

# Words of few letters, so that chance puts the same ones side by side again and again.
WORDS = st.lists(
    st.text("abcdeZ", min_size=1, max_size=4) | st.sampled_from(["not", "3,50", "x1", "中文", "é"]),
    min_size=1,
    max_size=30,
)


def at(match: Match | None, text: str = TEXT) -> str:
    assert match is not None
    return text[match.start : match.end]


@settings(deadline=None)
@given(words=WORDS, data=st.data())
def test_whole_words_cut_out_of_a_text_are_found_exactly(words, data):
    text = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first + 1, len(words)))
    quote = " ".join(words[first:last])
    found = find_quote(f" {quote}\n", text)
    assert found is not None and found.kind == "exact" and found.score == 100.0
    assert at(found, text) == quote
    assert found.start <= len(" ".join(words[:first])) + 1


@settings(deadline=None)
@given(text=st.text(max_size=80), quote=st.text(max_size=20), fuzzy=st.booleans())
def test_any_match_lies_in_the_text_and_repeats_itself(text, quote, fuzzy):
    quote = quote + text[3:25] if fuzzy else quote
    found = find_quote(quote, text)
    if found is not None:
        assert 0 <= found.start < found.end <= len(text)
        assert not at(found, text).isspace()
        if found.kind == "exact":
            assert at(found, text) == quote.strip()


SETTINGS = {
    " ": ["\n", "  ", "\u00a0", "\t \n", "\u2003"],
    "'": ["\u2019", "\u2018", "`"],
    '"': ["\u201c", "\u201d", "\u00ab"],
    "-": ["\u2013", "\u2014", "\u2212", "--"],
    "fi": ["ﬁ"],
    "ff": ["ﬀ"],
    "é": ["e\u0301"],
}


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_other_settings_of_the_same_words_map_back_to_the_same_place(data):
    words = data.draw(
        st.lists(
            st.sampled_from(
                ["a", "fire", "stiff", "café", "don't", "x-ray", "Zoe", '"yes"', "中文", "7"]
            ),
            min_size=3,
        )
    )
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first + 1, len(words)))

    def typeset(text: str) -> str:
        for one, variants in SETTINGS.items():
            parts = text.split(one)
            text = parts[0] + "".join(
                data.draw(st.sampled_from([one, *variants])) + part for part in parts[1:]
            )
        return text

    before, quoted, after = (
        typeset(" ".join(part)) for part in (words[:first], words[first:last], words[last:])
    )
    text = f"{before} {quoted} {after}"
    found = find_quote(" ".join(words[first:last]), text)
    assert found is not None and found.kind in ("exact", "normalised")
    if found.start == len(before) + 1:
        assert at(found, text) == quoted
    else:  # the same words stand elsewhere too
        one, other = (
            plain(part, 0, len(part), join=False).text for part in (at(found, text), quoted)
        )
        assert one == other


@pytest.mark.parametrize(
    ("quote", "place"),
    [
        ('Ms "Ana" Weiß', "Ms “Ana” Weiß"),
        ("not even fish.", "not even ﬁsh."),
        ("allowed - not", "allowed — not"),
        ("The office opens", "The of-\nfice opens"),
        ("the well-known café", "the well-\nknown café"),
        ("well-known cafe\u0301 nearby", "well-\nknown café nearby"),
        ("cooperative coffee. Notice", "co\u00adoperative coffee.\u00a0 Notice"),
        ("three months before", "three months\nbefore"),
        ("\u201cPets are not allowed\u201d", "Pets are not allowed"),
    ],
)
def test_each_way_of_setting_is_normalised_and_mapped_back(quote, place):
    found = find_quote(quote, TEXT)
    assert found is not None and found.kind == "normalised"
    assert at(found) == place


def test_a_ligature_at_the_edge_maps_back_whole():
    assert find_quote("so stiff", "It is so\tstiﬀ!") == Match(6, 13, "normalised", 100.0)
    assert find_quote("files of", "(ﬁles\nof)") == Match(1, 8, "normalised", 100.0)


def test_line_ends_in_chinese_are_no_spaces():
    text = "本合同自签订之日\n起生效，租期为三年。"
    found = find_quote("签订之日起生效", text)
    assert at(found, text) == "签订之日\n起生效"
    assert find_quote("租期为四年", text) is None


def test_case_is_kept():
    assert find_quote("pets are", TEXT) is None


def test_fuzzy_forgives_letters():
    found = find_quote("The landlady, Ms Ana Weiss, rents the flat for 1,250 euros a month", TEXT)
    assert found is not None and found.kind == "fuzzy" and 90 <= found.score < 100
    assert at(found).startswith("The landlord") and "1,250 euros" in at(found)


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("The rent is 1,250 euros a month", "The rent is 1,350 euros a month"),
        ("The rent is 1,250 euros a month", "The rent is 11,250 euros a month"),
        ("It was measured at 5 degrees there", "It was measured at -5 degrees there"),
        ("Pets are allowed in all of the rooms", "Pets are not allowed in all of the rooms"),
        ("Pets aren't allowed in all the rooms", "Pets are allowed in all the rooms"),
        ("The tenant may never leave the key there", "The tenant may ever leave the key there"),
        ("It is lawful to park on this street", "It is unlawful to park on this street"),
        (
            "Der Mieter darf kein Tier in der Wohnung halten",
            "Der Mieter darf ein Tier in der Wohnung halten",
        ),
        ("承租人在租赁期内不可以转租该房屋给他人", "承租人在租赁期内可以转租该房屋给他人"),
    ],
)
def test_fuzzy_never_changes_a_number_or_a_negation(quote, text):
    assert find_quote(quote, text) is None
    assert find_quote(quote, f"{text} And so on, for many more words than the quote has.") is None


def test_short_and_unlike_quotes_are_not_fuzzy():
    assert find_quote("Pets aro not", "Pets are not") is not None  # 12 characters
    assert find_quote("Pets aro no", "Pets are no") is None  # 11
    assert find_quote("The tenants own the flat for a thousand euros", TEXT) is None


def test_a_score_below_90_is_no_match():
    text = "The landlord rents the flat to a student from abroad"
    assert find_quote("The landlord rants the flat to a student", text) is not None
    assert find_quote("The landlady rented that flat to a student", text) is None  # 85


def test_a_quote_longer_than_the_text_stands_nowhere():
    assert find_quote("Pets are not allowed in the flat.", "Pets are not allowed") is None


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("5 km", "15 km"),
        ("1.5 km", "21.5 km"),
        ("5 km", "1.5 km"),
        ("at 1", "at 1.5"),
        ("at 1", "at 15"),
        ("5 degrees", "of -5 degrees"),
        ("legal to park", "illegal to park"),
    ],
)
def test_a_match_cuts_no_number_and_enters_no_word(quote, text):
    assert find_quote(quote, text) is None
    later = f"{text}; {quote}."
    assert find_quote(quote, later) == Match(
        len(text) + 2, len(text) + 2 + len(quote), "exact", 100.0
    )


def test_a_word_may_be_cut_off_at_the_end():
    assert at(find_quote("rents the fla", TEXT)) == "rents the fla"


def test_only_the_given_range_is_searched():
    text = "one two one two"
    assert find_quote("one", text, 1) == Match(8, 11, "exact", 100.0)
    assert find_quote("one  two", text, 4, 15) == Match(8, 15, "normalised", 100.0)
    assert find_quote("two one", text, 5) is None
    with pytest.raises(ValueError, match="characters 3 to 99 lie outside a text of 15"):
        find_quote("one", text, 3, 99)


@pytest.mark.parametrize("quote", ["", " \n", '"', "\u00ad"])
def test_nothing_is_no_quote(quote):
    assert find_quote(quote, "one two") is None
    assert support(quote, ["one two"]) == "none"


@pytest.mark.parametrize(
    ("answer", "quote", "expected"),
    [
        ("900 Euros.", "The rent is 900 euros", "contains"),
        ("'ﬁsh'", "not even Fish", "contains"),
        ("900", "The rent is 1900 euros", "none"),
        ("900", "The rent is 900.50 euros", "none"),
        ("cat", "many cats", "none"),
        ("三年", "租期为三年。", "contains"),
        ("yes", "Pets are allowed", "none"),
    ],
)
def test_support_is_containment_of_whole_words(answer, quote, expected):
    assert support(answer, ["nothing here", quote]) == expected


def test_composed_and_decomposed_accents_are_one():
    word = "Weißé" + string.ascii_letters
    assert find_quote(unicodedata.normalize("NFD", word), f"({word})") is not None


def test_evidence_refuses_what_stands_nowhere():
    kept = Evidence("fish", "a.pdf", 2, 10, 14, "exact", "contains")
    assert ",".join(kept.to_dict()) == "quote,document,page,start,end,match,support"
    for change in ({"quote": ""}, {"start": 14}, {"start": -1}, {"page": 0}):
        with pytest.raises(ValueError, match=r"a\.pdf"):
            Evidence(**(kept.to_dict() | change))


@settings(deadline=None)
@given(text=st.text("ab-\n \u00ad", max_size=30))
def test_every_text_contains_itself(text):
    assume(text.strip())
    found = find_quote(text, text)
    assert found is not None and at(found, text) == text.strip()
