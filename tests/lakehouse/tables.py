"""Reads the Delta tables that harvestd writes with other people's engines, and compares with exports of the store.

    tables.py PROGRAM CLASSPATH [KILLS [SEED]]

1. A folder: harvestd is killed at KILLS random moments of its pushes. After each, it pushes once more, and Polars finds
   exactly what the export says; DuckDB and Spark after each tenth.
2. The job of config/spark reads the table, and finds the clusters of the store.
3. The upkeep of docs/outputs/delta-engines.md, by Polars and Spark. It changes the state of no record, and
   `harvestd restore` makes the same store of what it leaves.
4. Four harvestd with four sources each push into one table at the same time, while an engine compacts it.
5. An S3 server on loopback: as 1, with a fifth of the kills, and its connections are cut too.

What an engine that is not here would read is skipped, loudly.
"""

import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from engines import ROOT, STATEMENTS, USED, Deltalake, DuckDb, Spark
from world import S3, Forwarder, Servers, World, kill

PROGRAM = sys.argv[1]
CLASSPATH = sys.argv[2]
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 50
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else 1
ALL_READ_EACH = 10
# Not a round number: harvestd takes a list of 250 for one that was cut off.
RECORDS = 243
BEGUN = time.monotonic()


def say(text):
    print(f"{time.monotonic() - BEGUN:6.1f} s  {text}", flush=True)


def engine(make, what):
    try:
        return make()
    except ImportError as error:
        print(f"SKIPPED: {what} IS NOT HERE, AND READS NO TABLE: {error}", file=sys.stderr, flush=True)
        return None


def main():
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory() as temporary, Servers() as servers:
        folder = pathlib.Path(temporary)
        state = folder / "state"
        state.write_text("0", encoding="ascii")
        port = servers.repository(RECORDS, state)
        endpoint = None
        if engine(lambda: __import__("moto"), "MOTO, AN S3 SERVER,"):
            s3_port = servers.s3()
            endpoint = f"http://127.0.0.1:{s3_port}"
        spark = engine(lambda: Spark(CLASSPATH, endpoint), "SPARK")
        duckdb = engine(lambda: DuckDb(endpoint), "DUCKDB WITH ITS EXTENSIONS")
        readers = [reader for reader in (Deltalake(), duckdb, spark) if reader]
        sources = {name: name for name in "abcd"}

        world = World(PROGRAM, folder / "one", port, f"file://{folder}/table", sources)
        say("folder: " + pushes_with_kills(world, state, readers, chance, KILLS))
        if spark:
            clusters(world, folder, spark)
        upkeep(world, readers, spark)

        many_writers(folder, port, state, readers)

        if endpoint:
            # For harvestd alone: engines wait for answers without letting the forwarder's threads run.
            forwarder = Forwarder(s3_port)
            cut_off = f"http://127.0.0.1:{forwarder.port}"
            world = World(PROGRAM, folder / "s3", port, "s3://library/records", sources, cut_off)
            options = {**S3, "AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"}
            readers[0] = Deltalake(options)
            say("S3: " + pushes_with_kills(world, state, readers, chance, max(KILLS // 5, 1), forwarder))
            upkeep(world, readers, spark)
            assert forwarder.cut_connections > 0, "no connection was cut"
    if spark and duckdb:
        assert USED == STATEMENTS.keys(), f"not run: {STATEMENTS.keys() - USED}"
    say("done")


def pushes_with_kills(world, state, readers, chance, kills, forwarder=None):
    """Changes, pushes, kills and compares."""
    # The first push writes all records. The second one has as many changes as those that are killed.
    for _ in range(2):
        change(state, world)
        begun = time.monotonic()
        world.push()
        duration = time.monotonic() - begun
    during = 0
    for number in range(1, kills + 1):
        change(state, world)
        push = world.start("push", "lake")
        if forwarder and number % 2 == 1:
            forwarder.wait_for_connection()
            # The first cut breaks a connection for certain.
            time.sleep(chance.uniform(0, duration) if number > 1 else 0)
            forwarder.cut(chance.uniform(0.05, 0.3))
        time.sleep(chance.uniform(0, duration))
        during += kill(push)
        world.push()
        all_read = number % ALL_READ_EACH == 0 or number == kills
        used = readers if all_read else readers[:1]
        live = compare(f"{world.url} after kill {number}", world.expected(), world.url, used)
    # Of a few pushes all may end in time.
    assert during > 0 or kills < 10, "all pushes had ended before they were killed"
    return f"{kills} kills, {during} of them during a push; {live} live records at the end"


def change(state, *worlds):
    """Some records change, and the stores harvest them."""
    state.write_text(str(int(state.read_text(encoding="ascii")) + 1), encoding="ascii")
    for harvest in [world.start("harvest", "--full") for world in worlds]:
        assert harvest.wait() == 0, "a harvest failed"


def compare(what, expected, url, readers):
    """Compares the table with what the stores say. Returns the number of live records."""
    rows = collections.Counter(readers[0].rows(url))
    twice = [row for row, count in rows.items() if count > 1]
    assert not twice, f"{what}: {len(twice)} rows are there twice, such as {twice[0]}"
    live = {key: header_and_resource(record) for key, record in expected.items() if not record["deleted"]}
    works = clusters_of(expected)
    for reader in readers:
        current = reader.current(url)
        by_key = {(row["source"], row["identifier"]): row for row in current}
        assert len(by_key) == len(current), f"{what}, {reader.name}: records are there twice"
        assert clusters_of(by_key) == works, f"{what}, {reader.name}: the clusters differ"
        found = {key: header_and_resource(row) for key, row in by_key.items()}
        keys = [key for key in live.keys() | found.keys() if live.get(key) != found.get(key)]
        if keys:
            shown = "\n".join(f"{key}\n  export {live.get(key)}\n  table  {found.get(key)}" for key in keys[:3])
            sys.exit(f"{what}, {reader.name}: {len(keys)} records differ\n{shown}")
    return len(live)


def clusters_of(rows):
    """The records of each cluster of two or more. Who names it may choose the name."""
    clusters = collections.defaultdict(set)
    for key, row in rows.items():
        clusters[row.get("cluster_id")].add(key)
    return {frozenset(members) for name, members in clusters.items() if name and len(members) > 1}


def header_and_resource(row):
    header = [row[name] for name in ("version", "datestamp", "metadata_prefix", "metadata")]
    resource = without_empty(row["resource"])
    # It has no fixed fields, so it is JSON in a string there.
    further = resource.get("further", {})
    resource["further"] = json.loads(further) if isinstance(further, str) else further
    return header, sorted(row["set_specs"] or []), resource


def without_empty(value):
    """A value without what is empty, so that an absent field is the same in all engines."""
    if isinstance(value, dict):
        value = {key: without_empty(inner) for key, inner in value.items()}
        return {key: inner for key, inner in value.items() if inner not in (None, [], {}, False)}
    if isinstance(value, (list, tuple)):
        return [without_empty(inner) for inner in value]
    return value


def clusters(world, folder, spark):
    """The job of config/spark on the table gives the clusters of the store."""
    sys.path.insert(0, str(ROOT / "config/spark"))
    import dedup

    job = dedup.Job(spark.session, f"file://{folder}/scratch", PROGRAM, "together")
    found = collections.defaultdict(set)
    for row in job.run(dedup.read_table(spark.session, world.url)).collect():
        found[row["cluster"]].add((row["source"], row["identifier"]))
    store = clusters_of(world.expected())
    assert {frozenset(members) for members in found.values()} == store, "the clusters differ"
    assert len(store) > 10
    say(f"the job finds the {len(store)} clusters of the store in the table")


def upkeep(world, readers, spark):
    """Compacts and cleans up, and restores the store from what is left."""
    expected = world.expected()
    deltalake = readers[0]
    steps = [("polars: compact and vacuum", deltalake)]
    if spark:
        steps += [(f"spark: {name}", spark) for name in ("compact", "vacuum", "retention")]
    for name, by in steps:
        before = len(deltalake.rows(world.url)), deltalake.files(world.url)
        by.run(name, world.url)
        after = len(deltalake.rows(world.url)), deltalake.files(world.url)
        compare(f"{world.url} after {name}", expected, world.url, readers)
        say(f"{name}: {before[0]} rows in {before[1]} files before, {after[0]} in {after[1]} after")
        if "retention" in name:
            assert after[0] == len(expected), "one row is left for each record"
        else:
            assert after[0] == before[0]
    deleted = deltalake.vacuum_now(world.url)
    assert deleted > 0, "nothing was superseded"
    compare(f"{world.url} without {deleted} files", expected, world.url, readers)
    # A push goes on, and the lost store comes back.
    world.push()
    restored = world.folder / "restored.db"
    world.run("restore", "--from", world.url, "--store", restored)
    assert world.run("export", "--store", restored) == world.run("export"), "the restored store differs"
    say(f"restored {len(expected)} records from {world.url}")


def many_writers(folder, port, state, readers):
    """Four harvestd with four sources each, and one table that is compacted meanwhile."""
    url = f"file://{folder}/shared"
    worlds = []
    for number in range(4):
        sources = {f"{name}{number}": name for name in "abcd"}
        worlds.append(World(PROGRAM, folder / f"writer{number}", port, url, sources))
    for _ in range(3):
        change(state, *worlds)
        pushes = [world.start("push", "lake") for world in worlds]
        while any(push.poll() is None for push in pushes):
            if os.path.exists(folder / "shared/_delta_log"):
                readers[0].run("polars: compact and vacuum", url)
            time.sleep(0.1)
        assert [push.returncode for push in pushes] == [0] * 4, "a push failed"
    expected = {}
    for world in worlds:
        expected.update(world.expected())
    live = compare("four writers", expected, url, readers)
    say(f"four harvestd with four sources each wrote {live} records into one table")


if __name__ == "__main__":
    main()
