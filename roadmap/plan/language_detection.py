"""Does a text speak the language it should? Told from its script alone, so that a text in the wrong one of two languages
with one script (German for Dutch) passes.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

FEWEST_LETTERS = 8  # a text with fewer says too little
OWN_SHARE = (
    0.15  # of the words: a lesson on English, or one full of names of products, has few others
)
LATIN_SHARE = 0.5  # of the letters: other scripts are rarer in a text in Latin letters
TERSE = {
    "Hani",
    "Hans",
    "Hant",
    "Jpan",
    "Kore",
    "Hang",
    "Thai",
    "Khmr",
    "Laoo",
    "Mymr",
    "Tibt",
}  # two letters make a word
LETTERS_OF_A_WORD = 5  # of an alphabet
FEWEST_WRONG = 3  # characters of the other kind of Chinese: one or two are a name or a quotation

# What the letters of a script are called in Unicode, by its code in ISO 15924.
SCRIPTS = {
    "Arab": ("ARABIC",),
    "Armn": ("ARMENIAN",),
    "Beng": ("BENGALI",),
    "Cyrl": ("CYRILLIC",),
    "Deva": ("DEVANAGARI",),
    "Ethi": ("ETHIOPIC",),
    "Geor": ("GEORGIAN",),
    "Grek": ("GREEK",),
    "Gujr": ("GUJARATI",),
    "Guru": ("GURMUKHI",),
    "Hang": ("HANGUL",),
    "Hani": ("CJK", "IDEOGRAPHIC"),
    "Hans": ("CJK", "IDEOGRAPHIC"),
    "Hant": ("CJK", "IDEOGRAPHIC"),
    "Hebr": ("HEBREW",),
    "Jpan": ("HIRAGANA", "KATAKANA", "CJK", "IDEOGRAPHIC"),
    "Khmr": ("KHMER",),
    "Knda": ("KANNADA",),
    "Kore": ("HANGUL",),
    "Laoo": ("LAO",),
    "Latn": ("LATIN",),
    "Mlym": ("MALAYALAM",),
    "Mymr": ("MYANMAR",),
    "Orya": ("ORIYA",),
    "Sinh": ("SINHALA",),
    "Taml": ("TAMIL",),
    "Telu": ("TELUGU",),
    "Thaa": ("THAANA",),
    "Thai": ("THAI",),
    "Tibt": ("TIBETAN",),
}
# Languages by the script that they are written in; those with two, such as Serbian, only when the tag says which.
WRITTEN_IN = {
    "Arab": "ar fa ur ps ckb",
    "Armn": "hy",
    "Beng": "bn as",
    "Cyrl": "ru uk bg be mk ky tg mn",
    "Deva": "hi mr ne sa",
    "Ethi": "am ti",
    "Geor": "ka",
    "Grek": "el",
    "Gujr": "gu",
    "Hang": "ko",
    "Hani": "zh cmn yue",
    "Hebr": "he iw yi",
    "Jpan": "ja",
    "Khmr": "km",
    "Knda": "kn",
    "Laoo": "lo",
    "Latn": "en de fr es pt it nl sv da nb nn no fi is et lv lt pl cs sk sl hr hu ro tr vi id ms tl fil sw ca eu gl ga cy sq "
    "af mt eo la",
    "Mlym": "ml",
    "Mymr": "my",
    "Orya": "or",
    "Sinh": "si",
    "Taml": "ta",
    "Telu": "te",
    "Thaa": "dv",
    "Thai": "th",
    "Tibt": "bo dz",
}
SCRIPT_OF = {
    language: script for script, languages in WRITTEN_IN.items() for language in languages.split()
}
CHINESE_BY_REGION = {
    "cn": "Hans",
    "sg": "Hans",
    "my": "Hans",
    "tw": "Hant",
    "hk": "Hant",
    "mo": "Hant",
}

# The commonest pairs of a simplified character and the traditional one it replaced (General List of Simplified Chinese
# Characters, 1986), without those whose simplified form is a traditional character as well, such as 后, 里, 只, 台 and 干.
PAIRS = (
    "这這们們来來个個说說国國时時会會对對学學为為过過还還没沒发發经經问問关關开開长長进進现現实實动動样樣"
    "应應点點机機电電体體种種头頭见見两兩书書写寫认認识識语語读讀课課练練习習数數码碼类類图圖网網线線节節"
    "觉覺题題师師让讓给給从從东東车車无無变變条條设設计計该該请請间間单單产產业業义義边邊运運级級组組结結"
    "标標输輸测測试試错錯"
)
SIMPLIFIED, TRADITIONAL = set(PAIRS[::2]), set(PAIRS[1::2])

FENCED = re.compile(
    r"^(?:[ \t>]|[-*+][ \t]|[0-9]{1,9}[.)][ \t])*(`{3,}|~{3,})[^\n]*$.*?(?:^[ \t>]*\1|\Z)",
    re.MULTILINE | re.DOTALL,
)
INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?: {4}|\t)[^\n]*(?:\n(?: {4}|\t)[^\n]*)*")
MATH = re.compile(  # none begins within another: each would be read to its end
    r"\$\$[^$]{1,2000}\$\$|\$[^$\n]{1,500}\$|\\\[(?:(?!\\\[).){1,2000}?\\\]|\\\((?:(?!\\\().){1,500}?\\\)",
    re.DOTALL,
)
INLINE_CODE = re.compile(
    r"(?<!`)(`{1,9})(?!`)[^\n]*?(?<!`)\1(?!`)"
)  # bounded: text of a model may be made to take for ever
URL = re.compile(
    r"(?:https?://|www\.)[!-~]+"
)  # a Chinese sentence goes on after it without a space
HAN, KANA = re.compile("[\u3400-\u9fff]"), re.compile("[\u3041-\u30fa]")
HAN_OR_WORD = re.compile(rf"{HAN.pattern}|[^\W\d_\u3400-\u9fff]+")


@dataclass(frozen=True, slots=True)
class _Tag:
    """What a BCP 47 tag says of the language and its script; None when it does not say, or we do not know."""

    script: str | None
    kind: str | None  # Hans or Hant, for Chinese


def matches_language(text: str, tag: str) -> bool:
    """Whether the text may be in the language of the tag. Code, formulas and addresses in it do not count; in doubt it may."""
    wanted = _read(tag)
    if wanted.script is None:
        return True
    letters = Counter(character for character in _prose(text) if character.isalpha())
    if letters.total() < FEWEST_LETTERS:
        return True
    names = SCRIPTS[wanted.script]
    own = sum(count for letter, count in letters.items() if _script_name(letter) in names)
    if wanted.script == "Latn":
        return own >= LATIN_SHARE * letters.total()
    words = own / (2 if wanted.script in TERSE else LETTERS_OF_A_WORD)
    others = (letters.total() - own) / LETTERS_OF_A_WORD
    return words >= OWN_SHARE * (words + others) and not _is_other_chinese(letters, wanted.kind)


def chinese_of(text: str) -> str | None:
    """Which Chinese a text is in that is mostly Chinese, as a BCP 47 tag, else None. In Chinese there are words in Latin letters,
    too: where there are as many of these as characters, the first of all tells. Japanese without kana passes for Chinese.
    """
    are_chinese = [bool(HAN.match(word)) for word in HAN_OR_WORD.findall(text)]
    if (
        KANA.search(text)
        or not are_chinese
        or 2 * sum(are_chinese) + are_chinese[0] <= len(are_chinese)
    ):
        return None
    traditional, simplified = (
        sum(letter in kind for letter in text) for kind in (TRADITIONAL, SIMPLIFIED)
    )
    return "zh-Hant" if traditional > simplified else "zh-Hans"


def script_of(tag: str) -> str | None:
    """Of a BCP 47 tag, by ISO 15924; of Chinese Hans or Hant where the tag says which. None: the tag does not say."""
    read = _read(tag)
    return read.kind or read.script


def language_error(text: str, tag: str) -> str | None:
    """A sentence about it when the text does not speak the language of the tag, for a model or a person."""
    return None if matches_language(text, tag) else f"The text is not in {tag}."


def _read(tag: str) -> _Tag:
    language, *rest = re.split("[-_]", tag)
    subtags = rest[
        : next((place for place, part in enumerate(rest) if len(part) == 1), len(rest))
    ]  # before extensions
    explicit = next((part.title() for part in subtags if re.fullmatch("[A-Za-z]{4}", part)), None)
    script = (
        explicit if explicit in SCRIPTS else None if explicit else SCRIPT_OF.get(language.lower())
    )
    region = next((part.lower() for part in subtags if re.fullmatch("[A-Za-z]{2}", part)), "")
    kind = CHINESE_BY_REGION.get(region) if script == "Hani" else script
    return _Tag(script, kind if kind in ("Hans", "Hant") else None)


def _prose(text: str) -> str:
    for what in (FENCED, INDENTED, INLINE_CODE, MATH, URL):
        text = what.sub(" ", text)
    return text


def _script_name(letter: str) -> str:
    """The first word of a letter's name, where letters of half or full width are no script of their own."""
    words = unicodedata.name(letter, "").replace("-", " ").split()
    return next((word for word in words if word not in ("HALFWIDTH", "FULLWIDTH")), "")


def _is_other_chinese(letters: Counter[str], kind: str | None) -> bool:
    """Whether it is clearly in traditional characters where simplified ones are wanted, or the other way round."""
    if kind is None:
        return False
    right, wrong = (SIMPLIFIED, TRADITIONAL) if kind == "Hans" else (TRADITIONAL, SIMPLIFIED)
    wrongs = sum(letters[character] for character in wrong)
    return wrongs >= FEWEST_WRONG and wrongs > 2 * sum(letters[character] for character in right)
