"""An OAI-PMH repository of records that are made as they are asked for, for tests with other people's programs."""

import http.server
import urllib.parse

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


def serve(count, page, make):
    """Serves lists of records on a free port, and prints the port. Each answer has at most `page` records.

    A list is known by the path of the request and its metadata prefix. `count` gets both and returns the number of
    records. `make` gets both and the numbers of the records, from 0, and returns their XML, one after the other."""

    def list_records(path, arguments):
        prefix, begin = arguments.get("metadataPrefix"), 0
        if "resumptionToken" in arguments:
            prefix, begin = arguments["resumptionToken"].rsplit(":", 1)
        begin, records = int(begin), count(path, prefix)
        end = min(begin + page, records)
        token = f"{prefix}:{end}" if end < records else ""
        listed = "".join(make(path, prefix, range(begin, end)))
        return f"<ListRecords>{listed}<resumptionToken>{token}</resumptionToken></ListRecords>"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            url = urllib.parse.urlsplit(self.path)
            arguments = dict(urllib.parse.parse_qsl(url.query))
            verb = arguments.get("verb")
            if verb == "Identify":
                body = IDENTIFY
            elif verb == "ListRecords":
                body = list_records(url.path.strip("/"), arguments)
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
