"""A repository of real records, in a format for each folder of tests/fixtures/formats and in oai_dc.

    repository.py FIXTURES [CORPUS]

Prints its port. CORPUS is a folder with answers of repositories, whose records in oai_dc are served too.
"""

import http.server
import pathlib
import re
import sys
import urllib.parse
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

PAGE = 500
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
    "<responseDate>2026-06-02T00:00:00Z</responseDate><request>http://localhost/</request>"
)
IDENTIFY = (
    "<Identify><repositoryName>R</repositoryName><baseURL>http://localhost/</baseURL>"
    "<protocolVersion>2.0</protocolVersion><adminEmail>a@b.org</adminEmail>"
    "<earliestDatestamp>2026-01-01T00:00:00Z</earliestDatestamp><deletedRecord>persistent</deletedRecord>"
    "<granularity>YYYY-MM-DDThh:mm:ssZ</granularity></Identify>"
)
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


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        arguments = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if arguments.get("verb") == "Identify":
            body = IDENTIFY
        elif arguments.get("verb") == "ListRecords":
            token = arguments.get("resumptionToken")
            prefix, begin = token.rsplit(":", 1) if token else (arguments["metadataPrefix"], 0)
            end = int(begin) + PAGE
            records = "".join(listed(*record) for record in FORMATS[prefix][int(begin) : end])
            token = f"{prefix}:{end}" if end < len(FORMATS[prefix]) else ""
            body = f"<ListRecords>{records}<resumptionToken>{token}</resumptionToken></ListRecords>"
        else:
            body = '<error code="badVerb"/>'
        body = f"{HEAD}{body}</OAI-PMH>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
