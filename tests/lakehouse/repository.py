"""Four repositories that have the same works in part: 25,000 records each, as oai_dc.

    repository.py [RECORDS [STATE]]

Prints its port. The repositories are /a to /d. The file STATE has a number, 0 at first. With each higher number some
records change and some are deleted; those of the number before come back. Else the records are the same each time.
What they hold is as odd as that of real repositories: other spellings, missing fields, works of one title in other
volumes, titles that each issue has.
"""

import pathlib
import random
import sys
from xml.sax.saxutils import escape

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
from oai_server import serve

RECORDS = int(sys.argv[1]) if len(sys.argv) > 1 else 25_000
STATE = sys.argv[2] if len(sys.argv) > 2 else None
PAGE = 1_000
WHAT = (
    "effect distribution ecology structure evolution dynamics diversity growth migration physiology behaviour history "
    "decline recovery genetics chemistry toxicity restoration seasonality breeding"
).split()
OF = (
    "bees sparrows lichens mosses beetles trout salmon oaks grasses orchids frogs spiders moths bats ferns algae "
    "corals snails worms hares foxes deer wolves larks plovers pines birches willows sedges rushes"
).split()
UNDER = "warm cold dry wet saline acid shaded open grazed burnt flooded polluted fertile poor remote urban".split()
WHERE = (
    "Italy Norway Chile Peru Kenya Ghana Nepal Japan Spain Greece Poland Latvia Turkey Egypt Mali Cuba Canada Iceland "
    "Bavaria Saxony Tyrol Galicia Sicily Crete Corsica Jutland Lapland Karelia Patagonia Yunnan"
).split()
FAMILIES = [a + b for a in "Sal Mor Ber Kan Lin Tor Hal Ves Dun Ost".split() for b in "mann berg ova elli sen ic ez aux".split()]
GIVEN = "Ada Bela Carl Dora Emil Fred Gina Hugo Ines Jana Karl Lena Marc Nora Olaf Paul".split()
EVERYWHERE = ["Editorial", "Book reviews"]
JOURNALS = [(f"Journal of {what} {place}", 1000 + number) for number, (what, place) in
            enumerate((what.title(), place) for what in WHAT for place in WHERE[:8])]


def issn(number):
    digits = f"{number:07d}"
    check = -sum(int(digit) * weight for digit, weight in zip(digits, range(8, 1, -1))) % 11
    return f"{digits[:4]}-{digits[4:]}{'X' if check == 10 else check}"


def work(number):
    """The fields of one work."""
    # Of 40 works one has the title and the authors of the work before, in another volume.
    is_twin = number % 40 == 39
    chance = random.Random(number - 1 if is_twin else number)
    title = (
        f"The {chance.choice(WHAT)} of {chance.choice(OF)} and {chance.choice(OF)} on {chance.choice(UNDER)} soils of "
        f"{chance.choice(WHERE)}: a study of {chance.choice(UNDER)} {chance.choice(WHAT)}"
    )
    is_everywhere = number % 25 == 7
    if is_everywhere:
        title = chance.choice(EVERYWHERE)
    elif number % 25 == 9:
        title += f", part {chance.choice(['I', 'II', 'III'])}"
    authors = [(chance.choice(FAMILIES), chance.choice(GIVEN)) for _ in range(chance.randint(1, 4))]
    journal, number_of_journal = chance.choice(JOURNALS)
    volume, issue, page = chance.randint(1, 40), chance.randint(1, 6), chance.randint(1, 600)
    if is_everywhere:
        # So few volumes that too many records share the key of title and volume.
        volume = chance.randint(1, 3)
    if is_twin:
        volume, page = volume + 1, page + 17
    return {
        "title": title, "authors": authors, "journal": journal, "issn": issn(number_of_journal),
        "volume": volume, "issue": issue, "page": page, "last": page + chance.randint(2, 20),
        "year": 1980 + volume, "doi": f"10.5555/{number_of_journal}.{volume}.{page}.{number}",
    }


def elements(work, chance):
    """What one repository says about a work."""
    is_poor = chance.random() < 0.15
    title = work["title"]
    style = chance.random()
    if style < 0.15:
        title = title.upper()
    elif style < 0.25:
        title += "."
    elif style < 0.32 and len(title) > 40:
        at = chance.randint(12, 36)
        title = title[:at] + title[at + 1:]
    elif style < 0.36:
        title = title.split(":")[0]
    yield "title", title
    for family, given in work["authors"]:
        yield "creator", f"{family}, {given}" if chance.random() < 0.7 else f"{family}, {given[0]}."
    if is_poor:
        return
    year = work["year"] + (1 if chance.random() < 0.05 else 0)
    yield "date", str(year) if chance.random() < 0.5 else f"{year}-05-01"
    yield "type", "article" if chance.random() < 0.9 else "preprint"
    if chance.random() < 0.6:
        yield "identifier", f"https://doi.org/{work['doi']}"
    if chance.random() < 0.7:
        yield "source", (
            f"{work['journal']}, Vol {work['volume']}, Iss {work['issue']}, Pp {work['page']}-{work['last']} ({year})"
        )
        yield "source", f"ISSN {work['issn']}"


def state():
    if STATE is None:
        return 0
    with open(STATE, encoding="ascii") as file:
        return int(file.read())


def record(source, number, work_number, now):
    identifier = f"<identifier>oai:{source}.example:{number}/x</identifier><datestamp>2026-06-01T00:00:00Z</datestamp>"
    if now > 0 and number % 37 == now % 37:
        return f'<record><header status="deleted">{identifier}</header></record>'
    chance = random.Random(f"{source} {number}")
    changed = now - (now - number) % 4
    dc = "".join(f"<dc:{name}>{escape(value)}</dc:{name}>" for name, value in elements(work(work_number), chance))
    if changed > 0:
        dc += f"<dc:description>Revised at {changed}</dc:description>"
    return (
        f"<record><header>{identifier}</header>"
        '<metadata><oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/">{dc}</oai_dc:dc></metadata></record>'
    )


def works_of(source):
    """The works that a source has; of 50 records one is of a work that it has already."""
    chance = random.Random(source)
    works = chance.sample(range(RECORDS * 9 // 4), RECORDS)
    return [works[number - 1] if number % 50 == 49 else work for number, work in enumerate(works)]


WORKS = {source: works_of(source) for source in "abcd"}


def records(source, _prefix, numbers):
    now = state()
    return (record(source, number, WORKS[source][number], now) for number in numbers)


serve(lambda *_: RECORDS, PAGE, records)
