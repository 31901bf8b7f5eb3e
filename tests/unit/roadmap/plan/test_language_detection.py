"""Languages of texts, from their scripts and, for Chinese, the kind of characters."""

import pytest

from roadmap.plan.language_detection import (
    PAIRS,
    SIMPLIFIED,
    TRADITIONAL,
    chinese_of,
    language_error,
    matches_language,
)
from tests.cases import try_each

TEXTS = {
    "en": "Knead the dough until it is smooth and elastic.",
    "de": "Knete den Teig, bis er glatt und elastisch ist; Öl hilft.",
    "fr": "Pétrissez la pâte jusqu'à ce qu'elle soit lisse.",
    "vi": "Nhào bột cho đến khi mịn và đàn hồi.",
    "zh-Hans": "请先学会写循环，这样以后读代码的时候就不会觉得难了。",
    "zh-Hant": "請先學會寫迴圈，這樣以後讀程式碼的時候就不會覺得難了。",
    "ja": "生地がなめらかになるまでこねてください。",
    "ko": "반죽이 매끄러워질 때까지 치대세요.",
    "ru": "Месите тесто, пока оно не станет гладким.",
    "uk": "Місіть тісто, доки воно не стане гладким.",
    "sr-Cyrl": "Месите тесто док не постане глатко.",
    "sr-Latn": "Mesite testo dok ne postane glatko.",
    "ar": "اعجن العجين حتى يصبح ناعما ومرنا.",
    "fa": "خمیر را ورز دهید تا نرم و لطیف شود.",
    "he": "ללוש את הבצק עד שהוא חלק וגמיש.",
    "el": "Ζυμώστε τη ζύμη μέχρι να γίνει λεία.",
    "hi": "आटे को चिकना होने तक गूंथें और फिर ढक दें।",
    "th": "นวดแป้งจนเนียนและยืดหยุ่น",
    "ka": "მოზილეთ ცომი, სანამ გლუვი გახდება.",
    "hy": "Հունցեք խմորը, մինչև այն հարթ դառնա:",
    "bn": "ময়দা মসৃণ না হওয়া পর্যন্ত মাখুন।",
    "ta": "மாவு மென்மையாகும் வரை பிசையவும்.",
    "te": "పిండి మృదువుగా అయ్యే వరకు పిసకండి.",
    "gu": "લોટ સુંવાળો થાય ત્યાં સુધી ગૂંદો.",
    "kn": "ಹಿಟ್ಟು ನಯವಾಗುವವರೆಗೆ ನಾದಿ.",
    "ml": "മാവ് മൃദുവാകുന്നതുവരെ കുഴയ്ക്കുക.",
    "si": "පිටි සුමට වන තුරු අනන්න.",
    "km": "ច្របាច់ម្សៅរហូតដល់រលោង។",
    "lo": "ນວດແປ້ງຈົນກວ່າຈະລຽບ",
    "my": "မုန့်ညက်ကို ချောမွေ့သည်အထိ နယ်ပါ။",
    "am": "ሊጡን ለስላሳ እስኪሆን ድረስ አሹት።",
}
SAME_SCRIPT = [
    {"en", "de", "fr", "vi", "sr-Latn"},
    {"ru", "uk", "sr-Cyrl"},
    {"ar", "fa"},
    {
        "ja",
        "zh-Hans",
        "zh-Hant",
    },  # Japanese is written with Chinese characters too; not the other way round
]


@try_each("tag", TEXTS)
def test_a_text_speaks_its_own_language(tag: str) -> None:
    assert matches_language(TEXTS[tag], tag)
    assert language_error(TEXTS[tag], tag) is None


@try_each("wanted", TEXTS)
def test_a_text_in_another_script_does_not_speak_the_language(wanted: str) -> None:
    others = [
        text
        for tag, text in TEXTS.items()
        if tag != wanted and not any({tag, wanted} <= same for same in SAME_SCRIPT)
    ]
    assert len(others) >= len(TEXTS) - 5
    assert [text for text in others if matches_language(text, wanted)] == []
    assert {language_error(text, wanted) for text in others} == {f"The text is not in {wanted}."}


@try_each(
    "tag", ["tlh", "x-private", "und", "qaa", "sr", "uz", "en-Dsrt", "i-klingon", "", "zz-ZZ"]
)
def test_a_language_whose_script_is_not_known_is_spoken_by_every_text(tag: str) -> None:
    assert all(matches_language(text, tag) for text in TEXTS.values())


@try_each(
    ("tag", "text", "expected"),
    [
        ("uz-Cyrl", "ru", True),
        ("uz-Cyrl", "en", False),
        ("uz-Latn-UZ", "en", True),
        ("und-Grek", "el", True),
        ("ja-Latn", "en", True),
        ("ja-Latn", "ja", False),
        ("ko-Kore-KR", "ko", True),
        ("ZH_hant_tw", "zh-Hant", True),
        ("zh-cmn-Hans-CN", "zh-Hant", False),
        ("ru-u-Latn", "ru", True),
        ("ru-x-Latn", "en", False),
        ("de-CH-1901", "de", True),
    ],
)
def test_a_script_in_the_tag_counts_more_than_that_of_the_language(
    tag: str, text: str, expected: bool
) -> None:
    assert matches_language(TEXTS[text], tag) is expected


@try_each(
    "text",
    [
        "",
        "1 + 1 = 2",
        "Brot",
        "привет",
        "C, C++ & Go",
        "```\nfor each in everything: print(each)\n```",
    ],
)
@try_each("tag", ["en", "zh-Hans", "ar"])
def test_a_text_of_few_letters_says_too_little(text: str, tag: str) -> None:
    assert matches_language(text, tag)


def test_eight_letters_are_enough() -> None:
    assert matches_language("abcdefg", "ru")
    assert not matches_language("abcdefgh", "ru")


def test_some_of_the_words_are_enough_in_another_script_and_half_of_the_letters_in_latin_ones() -> (
    None
):
    assert matches_language("ж" * 15 + "z" * 85, "ru")
    assert not matches_language("ж" * 14 + "z" * 86, "ru")
    assert matches_language("写" * 7 + "z" * 93, "zh")
    assert not matches_language("写" * 6 + "z" * 94, "zh")
    assert matches_language("z" * 50 + "ж" * 50, "en")
    assert not matches_language("z" * 49 + "ж" * 51, "en")


CODE = "def knead(dough):\n    return [fold(part) for part in dough if part.is_smooth()]\n"


@try_each(
    "text",
    [
        f"揉面团，直到光滑为止。\n\n```python\n{CODE * 9}```\n",
        f"揉面团，直到光滑为止。\n\n~~~\n```\n{CODE * 9}~~~\n",
        f"揉面团，直到光滑为止。\n\n````md\n```\n{CODE * 9}```\n````",
        f"- 揉面团，直到光滑为止。\n\n  ```python\n  {CODE * 9}  ```\n",
        f"> 揉面团，直到光滑为止。\n> ```\n> {CODE * 9}> ```\n",
        f"揉面团，直到光滑为止。\n\n```python\n{CODE * 9}",
        "用 `some_rather_long_name_of_a_function()` 和 ``another.quite_long`name`` 揉面团，"
        "直到光滑为止。",
        "见 https://example.org/a/rather/long/path/to/everything?about=dough#kneading，"
        "揉面团，直到光滑为止。",
        "见[这里](https://example.org/a/rather/long/path/to/everything?about=dough)揉面团，"
        "直到光滑为止。",
    ],
)
def test_code_and_addresses_do_not_count(text: str) -> None:
    assert matches_language(text, "zh-Hans")
    assert not matches_language(text, "ru")


def test_words_between_two_pieces_of_code_count() -> None:
    assert not matches_language("`a` the words between them are English ones `b`", "zh")
    assert not matches_language(
        f"```\n{CODE}```\nThe words between them are English ones.\n```\n{CODE}```\n", "zh"
    )


@try_each("tag", ["zh-Hans", "zh-CN", "zh-SG", "zh-Hans-HK", "cmn-Hans"])
def test_traditional_characters_are_not_simplified_ones(tag: str) -> None:
    assert matches_language(TEXTS["zh-Hans"], tag)
    assert not matches_language(TEXTS["zh-Hant"], tag)


@try_each("tag", ["zh-Hant", "zh-TW", "zh-HK", "zh-MO", "zh-Hant-CN", "yue-Hant"])
def test_simplified_characters_are_not_traditional_ones(tag: str) -> None:
    assert matches_language(TEXTS["zh-Hant"], tag)
    assert not matches_language(TEXTS["zh-Hans"], tag)


@try_each("tag", ["zh", "yue", "zh-Hani"])
@try_each("kind", ["zh-Hans", "zh-Hant"])
def test_chinese_without_a_kind_may_be_written_in_either(tag: str, kind: str) -> None:
    assert matches_language(TEXTS[kind], tag)


def test_a_name_or_a_quotation_in_the_other_kind_does_no_harm() -> None:
    assert matches_language("今天天气很好，去吃面包吧。這們", "zh-Hans")
    assert not matches_language("今天天气很好，去吃面包吧。這們來", "zh-Hans")
    assert matches_language("今天天气很好，去吃面包吧。這們來" + "这们", "zh-Hans")
    assert not matches_language("今天天气很好，去吃面包吧。這們來" + "这", "zh-Hans")


def test_the_pairs_are_sixty_or_more_different_characters_on_each_side() -> None:
    assert len(SIMPLIFIED) == len(TRADITIONAL) == len(PAIRS) // 2
    assert len(SIMPLIFIED) >= 60
    assert set() == SIMPLIFIED & TRADITIONAL
    for simplified, traditional in zip(PAIRS[::2], PAIRS[1::2], strict=True):
        assert ord("一") <= ord(simplified) <= ord("鿿")
        assert ord("一") <= ord(traditional) <= ord("鿿")


@try_each(
    "text",
    ["`" * 9999 + "a", "`a ``b ```c " * 3000, "```\n" * 5000, "https://" * 9999, "\\[" * 500_000],
    ids=len,
)
def test_a_strange_text_takes_no_strange_time(text: str) -> None:
    assert matches_language(text, "tlh")
    assert isinstance(matches_language(text, "en"), bool)


LESSONS = {
    "a lesson on English": "请把 “I would like to schedule a meeting” 改写得更礼貌："
    "Could we possibly arrange a meeting?",
    "formulas": "损失函数是 "
    "$\\mathcal{L} = \\frac{1}{n}\\sum_{i=1}^{n}(y_i - \\hat{y}_i)^2$，我们要让它变小。",
    "code in a list": "1. ```bash\n   docker compose up --build --detach --remove-orphans\n"
    "   ```\n   然后打开浏览器看看结果。",
    "indented code": "先写一个循环：\n\n    for number in range(10):\n"
    "        print(number, number * number)\n\n再运行它。",
    "names of products": "用 AWS Lambda、API Gateway 和 DynamoDB 部署一个服务，"
    "再用 CloudWatch 观察它。",
}


@try_each("text", LESSONS.values(), ids=LESSONS)
def test_a_lesson_in_chinese_may_be_full_of_what_is_not_chinese(text: str) -> None:
    assert language_error(text, "zh-Hans") is None


@pytest.mark.parametrize(
    "text",
    [
        "Knead the dough (面团) until it is smooth. "
        "The rest of this text is in English and goes on, as such texts do.",
        "Use a Deployment to run three replicas of the server, and look at its logs: 部署.",
    ],
)
def test_a_text_in_english_with_some_words_in_chinese_is_not_chinese(text: str) -> None:
    assert language_error(text, "zh-Hans") == "The text is not in zh-Hans."


def test_a_text_that_was_made_to_take_long_does_not() -> None:
    growing = " ".join("`" * length for length in range(1, 340))
    assert len(growing) > 50_000
    assert matches_language(growing + "生地がなめらかになるまで", "ja")


@try_each(
    ("text", "language"),
    [
        ("我想成为后端工程师", "zh-Hans"),
        ("學習後端開發", "zh-Hant"),
        ("学 Docker 和 Kubernetes", "zh-Hans"),
        ("Python 后端开发", "zh-Hans"),
        ("Learn Chinese 中文", None),
        ("Learn to write 汉字 by hand", None),
        ("学习 哈利・波特", "zh-Hans"),
        ("パン作りを習いたい", None),
        ("日本語を学ぶ", None),
        ("Brot backen", None),
        ("Печь хлеб", None),
        ("1 2 3", None),
        ("", None),
    ],
)
def test_a_text_tells_whether_it_is_chinese(text: str, language: str | None) -> None:
    assert chinese_of(text) == language
