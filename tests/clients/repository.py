"""A repository of 5,000 records for the tests with other harvesters.

    repository.py PAGES

Prints its port. Until the file PAGES exists, all records are live. Then a tenth is deleted, and another tenth has
changed.
"""

import os
import pathlib
import sys
from xml.sax.saxutils import escape

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
from oai_server import serve

RECORDS = 5_000
PAGE = 500


def record(number, is_later):
    title = f"Record {number} — ünïcode & <markup>"
    is_deleted = is_later and number % 10 == 3
    if is_later and number % 10 == 7:
        title += ", changed"
    status = ' status="deleted"' if is_deleted else ""
    header = (
        f"<header{status}><identifier>oai:clients.example:{number}</identifier>"
        f"<datestamp>2026-06-01T00:00:00Z</datestamp><setSpec>part:{number % 3}</setSpec></header>"
    )
    if is_deleted:
        return f"<record>{header}</record>"
    return (
        f'<record>{header}<metadata><oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{escape(title)}</dc:title>'
        f"<dc:creator>Li, Wei</dc:creator><dc:date>{1900 + number % 120}</dc:date></oai_dc:dc></metadata></record>"
    )


def records(_path, _prefix, numbers):
    is_later = os.path.exists(sys.argv[1])
    return (record(number, is_later) for number in numbers)


serve(lambda *_: RECORDS, PAGE, records)
