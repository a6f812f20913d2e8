"""The language of the speech, in any spelling of people and recognisers, as the code that recognisers take. Pure.

Whisper's own codes come first, because other libraries replace some of them (`tl` by `fil`, `jw` by `jv`). All other
tags are judged by the registry of language tags, so a recogniser that knows more languages can be given them.
"""

import re
from difflib import get_close_matches
from typing import Final

from langcodes import Language
from langcodes.tag_parser import LanguageTagError

from whisperjob_client.errors import UsageError

_WHISPER: Final = (
    "af afrikaans|am amharic|ar arabic|as assamese|az azerbaijani|ba bashkir|be belarusian|bg bulgarian|bn bengali|"
    "bo tibetan|br breton|bs bosnian|ca catalan valencian|cs czech|cy welsh|da danish|de german|el greek|en english|"
    "es spanish castilian|et estonian|eu basque|fa persian farsi|fi finnish|fo faroese|fr french|gl galician|"
    "gu gujarati|ha hausa|haw hawaiian|he hebrew|hi hindi|hr croatian|ht haitian haitian_creole|hu hungarian|"
    "hy armenian|id indonesian|is icelandic|it italian|ja japanese|jw javanese|ka georgian|kk kazakh|km khmer|"
    "kn kannada|ko korean|la latin|lb luxembourgish letzeburgesch|ln lingala|lo lao|lt lithuanian|lv latvian|"
    "mg malagasy|mi maori|mk macedonian|ml malayalam|mn mongolian|mr marathi|ms malay|mt maltese|"
    "my burmese myanmar|ne nepali|nl dutch flemish|nn nynorsk norwegian_nynorsk|no norwegian bokmal norwegian_bokmal|"
    "oc occitan|pa punjabi panjabi|pl polish|ps pashto pushto|pt portuguese|ro romanian moldavian moldovan|ru russian|"
    "sa sanskrit|sd sindhi|si sinhala sinhalese|sk slovak|sl slovenian|sn shona|so somali|sq albanian|sr serbian|"
    "su sundanese|sv swedish|sw swahili|ta tamil|te telugu|tg tajik|th thai|tk turkmen|tl tagalog filipino|tr turkish|"
    "tt tatar|uk ukrainian|ur urdu|uz uzbek|vi vietnamese|yi yiddish|yo yoruba|yue cantonese|zh chinese mandarin"
)
"""A code and its English names, as Whisper's tokenizer has them; `_` stands for a space."""

_CODES: Final = {row.split()[0]: row.split()[1:] for row in _WHISPER.split("|")}
_OWN_NAMES: Final = (
    "ar العربية|bg български|ca català|cs čeština česky|da dansk|de deutsch|el ελληνικά|es español espanol castellano|"
    "et eesti|fa فارسی|fi suomi|fr français francais|he עברית|hi हिन्दी|hr hrvatski|hu magyar|id bahasa_indonesia|"
    "is íslenska|it italiano|ja 日本語|ko 한국어|lt lietuvių|lv latviešu|nl nederlands|no norsk bokmål|pl polski|"
    "pt português portugues|ro română|ru русский|sk slovenčina|sl slovenščina|sr srpski српски|sv svenska|"
    "th ไทย ภาษาไทย|tr türkçe turkce|uk українська|vi tiếng_việt|zh 中文 汉语 漢語"
)
"""What speakers of the more frequent languages call them."""

_NAMES: Final = {
    name.replace("_", " "): row.split()[0] for row in f"{_WHISPER}|{_OWN_NAMES}".split("|") for name in row.split()[1:]
}
_WHISPER_CODE_OF: Final = {"jv": "jw", "fil": "tl", "nb": "no", "cmn": "zh"}
"""Codes that mean the same to a listener, where Whisper has another one."""

_ISO_CODE_OF: Final = {"jw": "jv"}
"""Whisper's codes that are no ISO codes any more."""

_NO_LANGUAGE: Final = re.compile("und|mul|mis|zxx|x-.*|q[a-t][a-z]")
"""Registered codes that name no language: unknown, several, none, and those for private use."""

AUTOMATIC: Final = ("", "auto", "detect", "und", "none")
"""Spellings of: let the recogniser find out."""


def parse_language(value: str | None) -> str | None:
    """Returns the code that recognisers take: `en` for `en`, `English`, `en-US`, `en_GB` and `eng`; None for `auto`.

    Raises UsageError if it is no language.
    """
    if value is None or value.strip().lower() in AUTOMATIC:
        return None
    code = _known(value)
    if code is not None:
        return code
    name = " ".join(value.replace("_", " ").split()).lower()
    close = get_close_matches(name, [*_NAMES, *_CODES], n=1, cutoff=0.75) if len(name) > 3 else []
    guess = f"did you mean {_NAMES.get(close[0], close[0])} ({close[0]})?" if close else "give a code such as en or de."
    raise UsageError(f"{value!r} is no language; {guess}")


def iso_code(answered: str | None) -> str | None:
    """Returns the ISO 639 code of the language in a recogniser's answer, which may be a name (`english`) or a tag.

    None if it is none, because a transcript must not claim an unknown language.
    """
    if answered is None or answered.strip().lower() in AUTOMATIC:
        return None
    code = _known(answered)
    return None if code is None else _ISO_CODE_OF.get(code, code)


def _known(value: str) -> str | None:
    """Returns the code of a Whisper code, of an English name, or of a registered tag."""
    name = " ".join(value.replace("_", " ").split()).lower()
    if name in _CODES:
        return name
    if name in _NAMES:
        return _NAMES[name]
    plain_name = name.partition(" (")[0].partition(",")[0]  # "Chinese (Simplified)", "Chinese, Mandarin"
    if plain_name in _NAMES:
        return _NAMES[plain_name]
    subtags = re.split(r"[.@]", value.strip())[0].replace("_", "-")  # a locale has an encoding: en_US.UTF-8
    try:
        tag = Language.get(subtags)
    except LanguageTagError:
        return None
    first = tag.language
    if first is None or _NO_LANGUAGE.fullmatch(first) or not tag.is_valid():
        return None
    subtag = subtags.lower().partition("-")[0]
    return subtag if subtag in _CODES else _WHISPER_CODE_OF.get(first, first)
