"""Harvests the provider with other people's harvesters, and compares what each gets with an export.

    harvest.py LIBRARY URL [--from DATESTAMP] EXPORT

LIBRARY is sickle, scythe or oaipmh. EXPORT is a file of `harvestd export --format oai_dc`.
"""

import argparse
import datetime
import sys

from lxml import etree

DC = "{http://www.openarchives.org/OAI/2.0/oai_dc/}dc"
OAI = "{http://www.openarchives.org/OAI/2.0/}"


def plain(element):
    """An element in a form that does not depend on how it was written."""
    return sorted((child.tag, child.text) for child in element)


def sickle(url, since):
    import sickle

    arguments = {"metadataPrefix": "oai_dc"} | ({"from": since} if since else {})
    for record in sickle.Sickle(url, max_retries=0).ListRecords(**arguments):
        element = record.xml.find(f".//{DC}")
        yield record.header.identifier, None if record.deleted else plain(element)


def scythe(url, since):
    from oaipmh_scythe import Scythe

    arguments = {"metadata_prefix": "oai_dc"} | ({"from_": since} if since else {})
    with Scythe(url) as client:
        for record in client.list_records(**arguments):
            element = record.xml.find(f".//{DC}")
            yield record.header.identifier, None if record.header.deleted else plain(element)


def oaipmh(url, since):
    from oaipmh.client import Client
    from oaipmh.metadata import MetadataRegistry

    registry = MetadataRegistry()
    registry.registerReader("oai_dc", lambda element: plain(element.find(DC) if element.tag != DC else element))
    arguments = {"metadataPrefix": "oai_dc"}
    if since:
        arguments["from_"] = datetime.datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ")
    for header, metadata, _ in Client(url, registry).listRecords(**arguments):
        yield header.identifier(), None if header.isDeleted() else metadata


def exported(path, since):
    """What the export says: the metadata of each record, None for a deleted one."""
    records = {}
    first = 0
    if since:
        moment = datetime.datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ")
        first = int(moment.replace(tzinfo=datetime.timezone.utc).timestamp()) * 1000
    for _, record in etree.iterparse(path, tag="record"):
        if int(record.get("version")) >> 20 >= first:
            is_deleted = record.get("deleted") == "true"
            records[record.get("identifier")] = None if is_deleted else plain(record.find(DC))
    return records


parser = argparse.ArgumentParser()
parser.add_argument("library", choices=["sickle", "scythe", "oaipmh"])
parser.add_argument("url")
parser.add_argument("--from", dest="since")
parser.add_argument("export")
options = parser.parse_args()
harvested = {}
count = 0
for identifier, metadata in globals()[options.library](options.url, options.since):
    harvested[identifier] = metadata
    count += 1
expected = exported(options.export, options.since)
wrong = [name for name in expected.keys() | harvested.keys() if expected.get(name, 0) != harvested.get(name, 0)]
deleted = sum(metadata is None for metadata in harvested.values())
print(f"{options.library}: {count} records, {deleted} of them deleted, from {options.since or 'the beginning'}")
if wrong or count != len(harvested) or not expected:
    sys.exit(f"{len(wrong)} differ from the export, such as {wrong[:3]}")
