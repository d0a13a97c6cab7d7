"""Phone numbers: written in many ways, kept in one (E.164, such as +493023125009)."""

from __future__ import annotations

import re
import unicodedata

import phonenumbers
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from phonenumbers import PhoneNumberFormat, ValidationResult

# What people write into numbers. No letters: whoever has an extension there is not called but an operator is.
WRITTEN = re.compile(r"[(\s]*\+?[0-9\s()./\u2010-\u2015\u2212-]+")

NOT_A_NUMBER = _("Not a phone number: write it with + and the country code, such as +493023125009.")
NO_COUNTRY = _("Its country is not given: write it with + and the country code, such as +493023125009.")
NOT_OF_REGION = _(
    "Not a phone number of %(region)s with its area code: write it with + and the country code, such as +493023125009."
)
UNKNOWN_COUNTRY = _("There is no country with this code.")
TOO_SHORT = _("Too short: short codes and internal numbers cannot be reached from everywhere.")
WRONG_LENGTH = _("No phone number of its country has this length.")


def e164(number: str) -> str:
    """Return a phone number in E.164, by the setting PHONE_REGION where it is written without its country.

    Raises: ValidationError, which does not repeat the number.
    """
    # Numbers that are copied from elsewhere come with marks that nobody sees.
    written = "".join(character for character in number if unicodedata.category(character) != "Cf").strip()
    if not WRITTEN.fullmatch(written):
        raise ValidationError(NOT_A_NUMBER)
    international = "+" in written
    region = (settings.PHONE_REGION or "").upper() or None
    if not international and region is None:
        raise ValidationError(NO_COUNTRY)
    try:
        parsed = phonenumbers.parse(written, None if international else region)
    except phonenumbers.NumberParseException as error:
        wrong_country = error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
        raise ValidationError(UNKNOWN_COUNTRY if wrong_country else NOT_A_NUMBER) from None
    _check_length(parsed)
    if region is not None and not international:
        _check_national(written, parsed, region)
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)


def _check_length(parsed: phonenumbers.PhoneNumber) -> None:
    match phonenumbers.is_possible_number_with_reason(parsed):
        case ValidationResult.IS_POSSIBLE:
            return
        case ValidationResult.TOO_SHORT | ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            raise ValidationError(TOO_SHORT)
    raise ValidationError(WRONG_LENGTH)


def _check_national(written: str, parsed: phonenumbers.PhoneNumber, region: str) -> None:
    """Refuse what may be meant otherwise, as what lacks its area code or only the +: somebody else would be alarmed."""
    without_area = phonenumbers.ndd_prefix_for_region(region, True) == "0" and not written.lstrip("( ").startswith("0")
    if without_area or not phonenumbers.is_valid_number(parsed):
        raise ValidationError(NOT_OF_REGION, params={"region": region})
