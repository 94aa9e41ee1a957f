"""Compares the clusters that Spark found with those of a store.

    compare.py STORE SPARK NUMBERS

STORE is the output of `harvestd dedup list --json`, SPARK a folder of JSON lines with cluster, source and
identifier, NUMBERS what the job has printed.
"""

import collections
import glob
import json
import sys

store_path, spark_path, numbers_path = sys.argv[1:]
store = set()
with open(store_path, encoding="utf-8") as lines:
    for line in lines:
        members = json.loads(line)["members"]
        store.add(frozenset((member["source"], member["identifier"]) for member in members))
by_name = collections.defaultdict(set)
for path in glob.glob(f"{spark_path}/*.json"):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            by_name[row["cluster"]].add((row["source"], row["identifier"]))
spark = {frozenset(members) for members in by_name.values()}
with open(numbers_path, encoding="utf-8") as lines:
    numbers = json.loads(lines.read().splitlines()[-1])
print(json.dumps(numbers))
print(f"{len(store)} clusters of {sum(map(len, store))} records in the store, the largest of {max(map(len, store))}")
for name, only in ("store", store - spark), ("Spark", spark - store):
    for cluster in sorted(map(sorted, only))[:5]:
        print(f"only in the {name}: {cluster}", file=sys.stderr)
if store != spark:
    sys.exit(f"{len(store - spark)} clusters only in the store, {len(spark - store)} only in Spark")
# The records are made so that all of this happens; else the comparison would say little.
across = sum(len({source for source, _ in cluster}) > 1 for cluster in store)
assert across > len(store) / 2, "most clusters have records of several sources"
assert numbers["overfull_keys"] > 0, "some keys have too many records"
assert numbers["components"] < numbers["clusters"], "some components are more than one cluster"
assert numbers["clustered"] == sum(map(len, store))
