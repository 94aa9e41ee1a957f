"""A repository of 5,000 records for the tests with other harvesters.

    repository.py PAGES

Prints its port. Until the file PAGES exists, all records are live. Then a tenth is deleted, and another tenth has
changed.
"""

import http.server
import os
import sys
import urllib.parse
from xml.sax.saxutils import escape

RECORDS = 5_000
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


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        arguments = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if arguments.get("verb") == "Identify":
            body = IDENTIFY
        else:
            begin = int(arguments.get("resumptionToken", "0"))
            is_later = os.path.exists(sys.argv[1])
            records = "".join(record(number, is_later) for number in range(begin, begin + PAGE))
            end = begin + PAGE
            token = str(end) if end < RECORDS else ""
            body = f"<ListRecords>{records}<resumptionToken>{token}</resumptionToken></ListRecords>"
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
