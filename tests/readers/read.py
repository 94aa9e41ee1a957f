"""Reads the exports of a store with the libraries that people use, and counts what comes out.

    read.py FOLDER

FOLDER has one export of each format. A warning of a library, a number of records that differs from the others, or a
value that does not come back fails.
"""

import csv
import json
import logging
import pathlib
import sys
import warnings

folder = pathlib.Path(sys.argv[1])
warnings.simplefilter("error")
# What they tell their own authors.
warnings.simplefilter("ignore", DeprecationWarning)


class Strict(logging.Handler):
    """Makes an error of what a library only logs."""

    def emit(self, record):
        if record.levelno >= logging.WARNING:
            raise AssertionError(f"{record.name}: {record.getMessage()}")


logging.getLogger().addHandler(Strict())

lines = [json.loads(line) for line in (folder / "export.jsonl").read_text("utf-8").split("\n") if line]
live = [line for line in lines if not line["deleted"]]
read = {}


def marc():
    import pymarc

    with open(folder / "export.marcxml", "rb") as file:
        records = pymarc.parse_xml_to_array(file, strict=True)
    for record in records:
        assert record.leader and record["245"]["a"].strip(), record
        # Binary MARC has limits that XML has not.
        again = pymarc.Record(data=record.as_marc(), force_utf8=True)
        assert again["245"]["a"] == record["245"]["a"]
    return len(records)


def ris():
    import rispy

    with open(folder / "export.ris", encoding="utf-8") as file:
        entries = rispy.load(file)
    for entry in entries:
        assert "unknown_tag" not in entry, entry
        assert entry["type_of_reference"] in rispy.TYPE_OF_REFERENCE_MAPPING, entry
    return len(entries)


def bibtex():
    import bibtexparser
    from bibtexparser.bparser import BibTexParser

    with open(folder / "export.bib", encoding="utf-8") as file:
        text = file.read()
    parser = BibTexParser(common_strings=True, ignore_nonstandard_types=False)
    entries = bibtexparser.loads(text, parser).entries
    keys = {entry["ID"] for entry in entries}
    assert len(keys) == len(entries), "keys are not unique"
    return len(entries)


def csl():
    items = json.loads((folder / "export.json").read_text("utf-8"))
    assert len({item["id"] for item in items}) == len(items)
    return len(items)


def tables():
    import duckdb
    import pandas

    path = folder / "export.csv"
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    frame = pandas.read_csv(path, dtype=str, keep_default_na=False)
    assert list(frame.columns) == list(rows[0])
    assert frame.to_dict("records") == rows, "pandas reads other cells than Python's csv"
    found = duckdb.read_csv(str(path), all_varchar=True).fetchall()
    expected = [tuple(value or None for value in row.values()) for row in rows]
    assert [tuple(value or None for value in row) for row in found] == expected, "duckdb reads other cells"
    return len(rows)


def guessed_tables():
    """Without a word about types: what a user types first."""
    import duckdb
    import pandas

    rows = len(pandas.read_csv(folder / "export.csv", low_memory=False))
    [(count,)] = duckdb.sql(f"SELECT count(*) FROM '{folder / 'export.csv'}'").fetchall()
    assert rows == count, (rows, count)
    return count


def lines_of_json():
    import duckdb
    import pandas

    path = folder / "export.jsonl"
    frame = pandas.read_json(path, lines=True, dtype=False)
    assert list(frame["identifier"]) == [line["identifier"] for line in lines]
    query = f"SELECT identifier, deleted FROM read_json('{path}', format = 'newline_delimited')"
    found = duckdb.sql(query).fetchall()
    assert found == [(line["identifier"], line["deleted"]) for line in lines]
    return sum(not deleted for _, deleted in found)


checks = [ris, bibtex, csl, tables, guessed_tables, lines_of_json]
# MARC that was harvested goes out as it came, with the faults of its source.
if folder.name != "marc21":
    checks.insert(0, marc)
failed = 0
for check in checks:
    try:
        read[check.__name__] = check()
    except Exception as error:
        failed = 1
        print(f"FAILED: {check.__name__}: {type(error).__name__}: {str(error)[:2000]}", file=sys.stderr)
print(folder.name, len(live), read)
# Tables have a row for each deleted record too; references and MARC cannot say that one is deleted.
of_all = {"tables", "guessed_tables"}
odd = {name: count for name, count in read.items() if count != len(lines if name in of_all else live)}
if odd:
    failed = 1
    print(f"FAILED: {len(lines)} records, {len(live)} of them live, but {odd}", file=sys.stderr)
sys.exit(failed)
