"""The code of the answer page: made by the database, as recipients are written by the thousand."""

from __future__ import annotations

import string

from django.db.models import CharField, Func

LENGTH = 12
# Lower case, without the letters that look like digits: a code may have to be read out or typed.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
BASE_64 = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
# The first six bytes of a random UUID are random throughout.
RANDOM = "substring(uuid_send(gen_random_uuid()) FROM 1 FOR {})"


class AnswerCode(Func):
    """SQL: a new code of 12 letters and digits, of 60 random bits: 9 bytes are 12 digits in base 64, which stand for
    32 characters, each twice."""

    output_field = CharField()
    arity = 0
    template = f"translate(encode({RANDOM.format(6)} || {RANDOM.format(3)}, 'base64'), '{BASE_64}', '{ALPHABET * 2}')"
