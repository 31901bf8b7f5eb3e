"""Detection of the language of a text from its script alone.

A text in the wrong one of two languages with one script (German for Dutch) passes.
"""

import re
import unicodedata
from collections import Counter
from itertools import takewhile

FEWEST_LETTERS = 8  # of a text whose language can be detected
# Of the words: a lesson on English, or one full of names of products, has few others.
OWN_SHARE = 0.15
LATIN_SHARE = 0.5  # of the letters: other scripts are rarer in a text in Latin letters
# Scripts in which two letters make a word.
TERSE = {"Hani", "Hans", "Hant", "Jpan", "Kore", "Hang", "Thai", "Khmr", "Laoo", "Mymr", "Tibt"}
LETTERS_OF_A_WORD = 5  # of an alphabet
FEWEST_WRONG = 3  # characters of the other kind of Chinese: one or two are a name or a quotation

# Words in the Unicode names of the letters of a script, by its code in ISO 15924.
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
# Languages by their script, without those of two scripts, such as Serbian.
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
    "Latn": "en de fr es pt it nl sv da nb nn no fi is et lv lt pl cs sk sl hr hu ro tr vi id ms "
    "tl fil sw ca eu gl ga cy sq af mt eo la",
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

# The commonest pairs of a simplified character and the traditional one it replaced (General List
# of Simplified Chinese Characters, 1986), without those whose simplified form is a traditional
# character as well, such as 后, 里, 只, 台 and 干.
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
# A formula does not begin within another one: each would be read to its end.
MATH = re.compile(
    r"\$\$[^$]{1,2000}\$\$|\$[^$\n]{1,500}\$"
    r"|\\\[(?:(?!\\\[).){1,2000}?\\\]|\\\((?:(?!\\\().){1,500}?\\\)",
    re.DOTALL,
)
# Bounded: a model's text may be made to take for ever.
INLINE_CODE = re.compile(r"(?<!`)(`{1,9})(?!`)[^\n]*?(?<!`)\1(?!`)")
URL = re.compile(r"(?:https?://|www\.)[!-~]+")  # ASCII: Chinese follows without a space
HAN, KANA = re.compile("[\u3400-\u9fff]"), re.compile("[\u3041-\u30fa]")
HAN_OR_WORD = re.compile(rf"{HAN.pattern}|[^\W\d_\u3400-\u9fff]+")


def matches_language(text: str, tag: str) -> bool:
    """Whether the text may be in the language of the tag, without code, formulas and URLs."""
    script, chinese = _read(tag)
    if script is None:
        return True
    for pattern in (FENCED, INDENTED, INLINE_CODE, MATH, URL):
        text = pattern.sub(" ", text)
    letters = Counter(character for character in text if character.isalpha())
    if letters.total() < FEWEST_LETTERS:
        return True
    own = sum(n for letter, n in letters.items() if _script_name(letter) in SCRIPTS[script])
    if script == "Latn":
        return own >= LATIN_SHARE * letters.total()
    words = own / (2 if script in TERSE else LETTERS_OF_A_WORD)
    others = (letters.total() - own) / LETTERS_OF_A_WORD
    if words < OWN_SHARE * (words + others):
        return False
    if chinese is None:
        return True
    simplified, traditional = (
        sum(letters[character] for character in kind) for kind in (SIMPLIFIED, TRADITIONAL)
    )
    right, wrong = (simplified, traditional) if chinese == "Hans" else (traditional, simplified)
    return wrong < FEWEST_WRONG or wrong <= 2 * right


def chinese_of(text: str) -> str | None:
    """Return the kind of Chinese of a mostly Chinese text as a BCP 47 tag, else None.

    Chinese has words in Latin letters, too: if there are as many of these as characters, the first
    of all decides. Japanese without kana passes for Chinese.
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
    """Return the ISO 15924 script of a BCP 47 tag, Hans or Hant for Chinese; None: unknown."""
    script, chinese = _read(tag)
    return chinese or script


def language_error(text: str, tag: str) -> str | None:
    """Return a sentence for a model or a person when the text is not in the language."""
    return None if matches_language(text, tag) else f"The text is not in {tag}."


def _read(tag: str) -> tuple[str | None, str | None]:
    """Return the script of a BCP 47 tag, and Hans or Hant for Chinese; None: unknown."""
    language, *rest = re.split("[-_]", tag)
    subtags = list(takewhile(lambda part: len(part) != 1, rest))  # before extensions
    explicit = next((part.title() for part in subtags if re.fullmatch("[A-Za-z]{4}", part)), None)
    script = (
        explicit if explicit in SCRIPTS else None if explicit else SCRIPT_OF.get(language.lower())
    )
    region = next((part.lower() for part in subtags if re.fullmatch("[A-Za-z]{2}", part)), "")
    kind = CHINESE_BY_REGION.get(region) if script == "Hani" else script
    return script, kind if kind in ("Hans", "Hant") else None


def _script_name(letter: str) -> str:
    """Return the first word of a letter's Unicode name, without HALFWIDTH and FULLWIDTH."""
    words = unicodedata.name(letter, "").replace("-", " ").split()
    return next((word for word in words if word not in ("HALFWIDTH", "FULLWIDTH")), "")
