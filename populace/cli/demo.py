"""Demo people: real-looking names in ten scripts and languages, the same for the same number."""
# ruff: noqa: RUF001 (letters of other scripts are the point)

from collections.abc import Callable
from typing import Any

BATCH = 100  # people in one commit: SQLite has one writer, which nobody else may wait for long

# Locale, time zone, then first and last names: as written, and in the letters of a user name where those differ.
_PEOPLE = (
    ("en-GB", "Europe/London", "Alice Oliver Grace Noah Isla", "Bennett Clarke Hughes Patel Walsh"),
    ("de-AT", "Europe/Vienna", "Jürgen/juergen Käthe/kaethe Lena Felix", "Müller/mueller Groß/gross Huber Bauer"),
    ("pt-BR", "America/Sao_Paulo", "João/joao Conceição/conceicao Rafael Luíza/luiza", "Araújo/araujo Souza Lima"),
    ("pl-PL", "Europe/Warsaw", "Łukasz/lukasz Zofia Michał/michal Agnieszka", "Wójcik/wojcik Nowak Żak/zak"),
    ("uk-UA", "Europe/Kyiv", "Олена/olena Тарас/taras Ірина/iryna", "Шевченко/shevchenko Коваль/koval Бойко/boiko"),
    ("el-GR", "Europe/Athens", "Ελένη/eleni Νίκος/nikos Μαρία/maria", "Παππάς/pappas Νικολάου/nikolaou"),
    ("ar-EG", "Africa/Cairo", "ليلى/layla يوسف/yusuf مريم/maryam", "حداد/haddad المصري/almasri"),
    ("hi-IN", "Asia/Kolkata", "प्रिया/priya अर्जुन/arjun मीरा/meera", "शर्मा/sharma वर्मा/varma"),
    ("zh-CN", "Asia/Shanghai", "伟/wei 秀英/xiuying 磊/lei", "王/wang 李/li 欧阳/ouyang"),
    ("ja-JP", "Asia/Tokyo", "さくら/sakura 蓮/ren 陽菜/hina", "佐藤/sato 鈴木/suzuki 高橋/takahashi"),
)
_DOMAINS = ("example.org", "example.com", "example.net")  # reserved: RFC 2606 section 3


def _names(text: str) -> list[tuple[str, str]]:
    parts = [word.partition("/") for word in text.split()]
    return [(written, letters or written.lower()) for written, _, letters in parts]


_CAST = [(locale, zone, _names(first), _names(last)) for locale, zone, first, last in _PEOPLE]


def person(number: int) -> dict[str, Any]:
    """Return the values of a new person; two numbers never share a user name or an e-mail."""
    round_, place = divmod(number, len(_CAST))
    locale, zone, firsts, lasts = _CAST[place]
    first, first_letters = firsts[round_ % len(firsts)]
    last, last_letters = lasts[round_ // len(firsts) % len(lasts)]
    name = f"{first_letters}.{last_letters}{number}"
    return {
        "username": name,
        "email": f"{name}@{_DOMAINS[number % len(_DOMAINS)]}",
        "first_name": first,
        "last_name": last,
        "locale": locale,
        "timezone": zone,
    }


def create(count: int, *, start: int, report: Callable[[float], None]) -> None:
    """Create `count` people, quietly, numbered from `start`; a batch with a number in use is passed over.

    Each batch is one commit: stopped half way, the first ones are there.
    """
    from populace.audit.actors import SYSTEM
    from populace.users.actions import create_users
    from populace.users.errors import IdentifierTaken

    done, number = 0, start
    while done < count:
        size = min(BATCH, count - done)
        try:
            create_users([person(n) for n in range(number, number + size)], by=SYSTEM, quiet=True)
            done += size
        except IdentifierTaken:
            pass
        number += size
        report(done / count)
