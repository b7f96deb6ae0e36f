"""When two spellings of an identifier are one, and which are refused."""

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from precis_i18n import get_profile

from populace.users.errors import Invalid
from populace.users.identifiers import (
    NAME_NORMAL_MAX,
    RESERVED,
    claims,
    email_normal,
    external_id,
    name_normal,
    phone_normal,
    username_normal,
)
from populace.users.models import User


def code_of(function, raw):
    with pytest.raises(Invalid) as caught:
        function(raw)
    assert len(raw) < 4 or raw not in caught.value.detail
    return caught.value.code


@pytest.mark.parametrize(
    ("typed", "same_as"),
    [
        ("ADMIN", "admin"),
        ("ＡＤＭＩＮ", "admin"),
        ("\u212aelvin", "kelvin"),
        ("a\u0301dmin", "ádmin"),
        ("Ärger", "ärger"),
    ],
)
def test_case_width_and_composition_make_no_other_user_name(typed, same_as):
    """A01. Guard: populace/users/identifiers.py:username_normal."""
    assert username_normal(typed) == username_normal(same_as)


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "a\u200bb",
            "a\u00adb",
            "a\u202eb",
            "a\u034fb",
            "a\ufe0fb",
            "a\0b",
            "a b",
            " ab",
            "\u017fam",
            "\ufb01",
            "\u2024",
        ),
        *("ab\u0627", "", "\u0378", "\U000e0fff", "\ud800", "tab\t", "\n", "é\x7f"),
    ],
)
def test_a_user_name_holds_no_character_that_hides_or_maps_away(typed):
    """A02. Guard: populace/users/identifiers.py:username_normal."""
    assert code_of(username_normal, typed) == "invalid"


@pytest.mark.parametrize("typed", ["иван", "Ελένη", "小明", "محمد", "प्रिया", "o'neil", "a/b", "x"])
def test_a_user_name_may_be_written_in_any_script(typed):
    assert username_normal(typed) == unicodedata.normalize("NFC", typed.lower())


@pytest.mark.parametrize("typed", [*sorted(RESERVED), "Me", "ＮＵＬＬ", "ann@example.org", "a@", "+431234567"])
def test_a_user_name_is_no_path_no_address_and_no_phone_number(typed):
    """A06. Guard: populace/users/identifiers.py:username_normal."""
    assert code_of(username_normal, typed) == "reserved"


@pytest.mark.parametrize(
    "typed",
    [
        "0190a9b8-7b7c-7def-8abc-0123456789ab",
        "0190A9B87B7C7DEF8ABC0123456789AB",
        "{0190a9b8-7b7c-7def-8abc-0123456789ab}",
    ],
)
def test_a_user_name_is_no_id(typed):
    """A06. Guard: populace/users/identifiers.py:_is_id."""
    assert code_of(username_normal, typed) == "reserved"


def test_length_is_checked_before_mapping():
    """A02. Guard: populace/users/identifiers.py:username_normal."""
    assert username_normal("x" * 64) == "x" * 64
    assert code_of(username_normal, "x" * 65) == "max_length"
    assert code_of(username_normal, "\ufdfa" * 10_000_000) == "max_length"
    assert code_of(email_normal, "x" * 65 + "@example.org") == "max_length"
    assert code_of(email_normal, "x@" + "ä" * 250 + ".org") == "max_length"
    assert code_of(external_id, "x" * 256) == "max_length"
    assert code_of(username_normal, "\ufb2c" * 64) == "max_length"  # 64 characters that become 192


@given(st.text(string.ascii_letters + string.digits + string.punctuation, min_size=1, max_size=64))
def test_the_short_way_for_ascii_names_is_what_the_standard_says(typed):
    if "@" not in typed and typed.lower() not in RESERVED and not typed.startswith("+"):
        assert username_normal(typed) == get_profile("UsernameCaseMapped").enforce(typed)


@given(st.text(max_size=80))
def test_any_text_is_a_user_name_or_invalid_and_its_form_is_stable(typed):
    try:
        normal = username_normal(typed)
    except Invalid:
        return
    assert username_normal(normal) == normal


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("User@EXAMPLE.com", "user@example.com"),
        ("x@exämple.com", "x@xn--exmple-cua.com"),
        ("x@XN--EXMPLE-CUA.com", "x@xn--exmple-cua.com"),
        ("a@ｅxample.com", "a@example.com"),
        ("a@\u212aelvin.org", "a@kelvin.org"),
        ("a@exa\u0308mple.com", "a@xn--exmple-cua.com"),
        ("a@straße.de", "a@xn--strae-oqa.de"),
        ("a@example\u3002com", "a@example.com"),
        ("A.B+c@mail.example.org", "a.b+c@mail.example.org"),
        ("admin@localhost", "admin@localhost"),
    ],
)
def test_one_mailbox_has_one_form(typed, normal):
    """A04. Guard: populace/users/identifiers.py:email_normal."""
    assert email_normal(typed) == (normal, normal.partition("@")[2])


@pytest.mark.parametrize(
    "typed",
    [
        *("", "x", "@", "x@", "@x.org", "a@b@example.org", "a@example..org", "a@-x.org", "a@example.org.", "a@1.2.3.4"),
        *("a@example.org\u200b", "a@ex\u00adample.org", "a\u200b@example.org", "mıke@example.org", "a@ex_ample.org"),
        *('"a"@example.org', "a@[127.0.0.1]", "a b@example.org", "a@exa mple.org", "a@xn--zzzzzz-.org", "a@\u0378.org"),
        *("a@example.org\n", "a@example.org\r\nBcc: b@example.org", "a@x\0.org", "\ud800@example.org"),
    ],
)
def test_what_is_not_one_plain_mailbox_is_refused(typed):
    """A04. Guard: populace/users/identifiers.py:email_normal."""
    assert code_of(email_normal, typed) == "invalid"


@given(st.emails())
def test_an_address_never_grows_past_its_column(typed):
    try:
        parts = email_normal(typed)
    except Invalid:
        return
    assert len(parts.normal) <= 254
    assert parts.normal.isascii()
    assert email_normal(parts.normal) == parts


def test_a_phone_number_loses_its_marks():
    assert phone_normal("+43 (1) 234-56 78") == "+4312345678"


@pytest.mark.parametrize(
    "typed", ["", "0431234567", "+0123456789", "+12345", "+1234567890123456", "+431234567x", "+４３1234567"]
)
def test_what_is_no_international_number_is_refused(typed):
    assert code_of(phone_normal, typed) == "invalid"


def test_an_external_id_stays_as_it_is():
    assert external_id(" S-1-5-21/Ä ") == " S-1-5-21/Ä "
    assert code_of(external_id, "a\0b") == "invalid"


def test_names_are_folded_for_finding():
    assert name_normal("ＭÜLLER") == name_normal("müller") == "müller"
    assert name_normal("Groß") == "gross"
    assert len(name_normal("\ufdfa" * 200)) == NAME_NORMAL_MAX


def test_claims_come_in_one_order_and_say_which_unicode_made_them():
    user = User(username_normal="zoe", email_normal="zoe@example.org", phone="+4312345678", external_id="7")
    held = claims(user)
    assert [claim.key for claim in held] == [
        "email:zoe@example.org",
        "external_id:7",
        "phone:+4312345678",
        "username:zoe",
        "confusable:zoe",
    ]
    assert {claim.user_id for claim in held} == {user.id}
    assert {claim.unicode_version for claim in held} == {unicodedata.unidata_version}
    assert claims(User()) == []
