"""A repository whose texts try to run in the browser of whoever looks at them. Prints its port."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlparse
from xml.sax.saxutils import escape

HOSTILE = "</pre></title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
DATE = "2020-01-01T00:00:00Z"


def record(number):
    identifier = f"oai:hostile.example:<script>{number}</script>"
    return f"""<record><header><identifier>{escape(identifier)}</identifier>
<datestamp>{DATE}</datestamp><setSpec>a</setSpec></header><metadata><doajArticle>
<title>{escape(HOSTILE)} {number}</title><doi>10.1000/{number}</doi>
<authors><author><name>{escape(HOSTILE)}</name></author></authors>
<abstract>{escape(HOSTILE * 40)}</abstract></doajArticle></metadata></record>"""


RECORDS = "".join(map(record, range(5))) + (
    f"<record><header><identifier>{escape(HOSTILE)}</identifier>"
    "<datestamp>never</datestamp></header><metadata><x></metadata></record>"
)
IDENTIFY = f"""<Identify><repositoryName>{escape(HOSTILE)}</repositoryName>
<baseURL>http://127.0.0.1/oai</baseURL><protocolVersion>2.0</protocolVersion>
<adminEmail>a@example.org</adminEmail><earliestDatestamp>{DATE}</earliestDatestamp>
<deletedRecord>no</deletedRecord><granularity>YYYY-MM-DDThh:mm:ssZ</granularity></Identify>"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        verb = parse_qs(urlparse(self.path).query).get("verb", [""])[0]
        content = {"Identify": IDENTIFY, "ListRecords": f"<ListRecords>{RECORDS}</ListRecords>"}
        error = '<error code="badVerb">no</error>'
        body = f"""<?xml version="1.0" encoding="UTF-8"?>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2026-06-01T00:00:00Z</responseDate>
<request verb="{escape(verb)}">http://127.0.0.1/oai</request>{content.get(verb, error)}</OAI-PMH>"""
        self.send_response(200)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
