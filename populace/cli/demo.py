"""Demo people: real-looking names in ten scripts and languages, the same for the same number."""
# ruff: noqa: RUF001 (letters of other scripts are the point)

from collections.abc import Callable

from populace.audit.actors import SYSTEM
from populace.audit.dispatch import dispatch
from populace.users.errors import IdentifierTaken
from populace.users.seeding import Cast, Sample, batch_size, seed_users

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


def _samples(locale: str, zone: str, firsts: str, lasts: str) -> tuple[Sample, ...]:
    return tuple(
        Sample(locale, zone, first, last, f"{first_letters}.{last_letters}")
        for last, last_letters in _names(lasts)
        for first, first_letters in _names(firsts)
    )


CAST = Cast(tuple(_samples(*people) for people in _PEOPLE), _DOMAINS)

person = CAST.person
"""Return the values of the new person with a number; two numbers never share a user name or an e-mail."""


def create(count: int, *, start: int, report: Callable[[float], None]) -> None:
    """Create `count` people, quietly, numbered from `start`; a batch with a number in use is passed over.

    After each of those it goes on twice as far away: where many were erased, there are fewer people than numbers in
    use. Each batch is one commit: stopped half way, the first ones are there. Events are passed on as they come, so
    that they never pile up for a worker that may be running.
    """
    done, number, passed = 0, start, 0
    while done < count:
        size = min(batch_size(), count - done)
        try:
            seed_users(CAST, range(number, number + size), by=SYSTEM)
            done, number, passed = done + size, number + size, 0
        except IdentifierTaken:
            passed = max(size, 2 * passed)
            number += passed
        dispatch()
        report(done / count)
