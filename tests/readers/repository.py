"""A repository of real records, in a format for each folder of tests/fixtures/formats and in oai_dc.

    repository.py FIXTURES [CORPUS]

Prints its port. CORPUS is a folder with answers of repositories, whose records in oai_dc are served too.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
from oai_server import serve

PAGE = 500
OAI = "{http://www.openarchives.org/OAI/2.0/}"
OAI_DC = "{http://www.openarchives.org/OAI/2.0/oai_dc/}dc"


def metadata_of(text):
    """A file as metadata: without the XML declaration."""
    return re.sub(r"^\s*<\?xml[^>]*\?>", "", text.lstrip("\ufeff"))


def dublin_core(path):
    """The oai_dc containers of a well-formed answer, with the identifiers of their records."""
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError:
        return
    for record in [root] if root.tag.endswith("record") else root.iter(f"{OAI}record"):
        identifier = record.find(f".//{OAI}identifier")
        container = record.find(f".//{OAI_DC}")
        if container is not None:
            name = identifier.text if identifier is not None and identifier.text else path.name
            yield name.strip(), ET.tostring(container, encoding="unicode")


def collect(fixtures, corpora):
    formats = {}
    for folder in sorted((fixtures / "formats").iterdir()):
        if folder.is_dir():
            records = [(path.stem, metadata_of(path.read_text("utf-8"))) for path in sorted(folder.glob("*.xml"))]
            formats[folder.name] = records
    records = {}
    for folder in [fixtures / "oai_dc", fixtures / "oai_dc_labels", *corpora]:
        for path in sorted(folder.rglob("*.xml")):
            for name, metadata in dublin_core(path):
                records.setdefault(name, metadata)
    formats["oai_dc"] = list(records.items())
    return formats


FORMATS = collect(pathlib.Path(sys.argv[1]), [pathlib.Path(path) for path in sys.argv[2:]])


def listed(name, metadata):
    return (
        f"<record><header><identifier>{escape(name)}</identifier><datestamp>2026-06-01T00:00:00Z</datestamp></header>"
        f"<metadata>{metadata}</metadata></record>"
    )


serve(
    lambda _, prefix: len(FORMATS[prefix]),
    PAGE,
    lambda _, prefix, numbers: (listed(*FORMATS[prefix][number]) for number in numbers),
)
