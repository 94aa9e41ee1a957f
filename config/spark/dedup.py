"""Finds with Spark the records that describe one work: the same clusters as `harvestd dedup rebuild` finds in a
store with the same records, for more records than one machine holds. See docs/spark.md.

    spark-submit dedup.py RECORDS SCRATCH OUT [options]

RECORDS   a Delta table that harvestd writes, or with --format jsonl files of `harvestd export --format jsonl`
SCRATCH   a folder for what lies between the steps, which all workers see; it is overwritten
OUT       gets clusters/ (a table of cluster, source and identifier) and import/ (JSON lines for
          `harvestd dedup import`)

The rules are those of the program harvestd, which has to be installed on all workers. Spark only brings together
what has to be compared.
"""

import argparse
import json
import time

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

# A key that more records have is no evidence. It is the limit of `harvestd dedup match` too.
MOST_RECORDS_OF_A_KEY = 64


def main():
    parser = argparse.ArgumentParser(description="Finds the records that describe one work.")
    parser.add_argument("records")
    parser.add_argument("scratch")
    parser.add_argument("out")
    parser.add_argument("--format", choices=["delta", "jsonl"], default="delta", help="the format of RECORDS")
    parser.add_argument("--write", choices=["delta", "parquet"], default="delta", help="the format of OUT/clusters")
    parser.add_argument("--harvestd", default="harvestd", help="where the program is on the workers")
    parser.add_argument("--versions", choices=["together", "apart"], default="together", help="as [dedup] versions")
    args = parser.parse_args()

    spark = SparkSession.builder.appName("harvestd dedup").getOrCreate()
    job = Job(spark, args.scratch, args.harvestd, args.versions)
    lines = read_export(spark, args.records) if args.format == "jsonl" else read_table(spark, args.records)
    clusters = job.run(lines)
    with job.step("clusters written"):
        clusters.write.mode("overwrite").format(args.write).save(f"{args.out}/clusters")
        written = spark.read.format(args.write).load(f"{args.out}/clusters")
        written.write.mode("overwrite").json(f"{args.out}/import")
        job.numbers["clusters"] = written.select("cluster").distinct().count()
        job.numbers["clustered"] = written.count()
    print(json.dumps({**job.numbers, "seconds": job.seconds}))


def read_export(spark: SparkSession, path: str) -> DataFrame:
    """The lines of an export, as they are."""
    return spark.read.text(path).select(F.col("value").alias("line"))


def read_table(spark: SparkSession, url: str) -> DataFrame:
    """The last state of each record of the table, as lines."""
    columns = ["source", "identifier", "deleted", "metadata_prefix", "metadata"]
    newest = F.struct("version", "written_at")
    rows = spark.read.format("delta").load(url)
    latest = rows.groupBy("source", "identifier").agg(
        F.max_by(F.struct("deleted", "metadata_prefix", "metadata"), newest).alias("row")
    )
    latest = latest.select("source", "identifier", "row.*")
    return latest.select(F.to_json(F.struct(*columns)).alias("line"))


class Job:
    def __init__(self, spark: SparkSession, scratch: str, harvestd: str, versions: str):
        self.spark = spark
        self.scratch = scratch
        self.harvestd = harvestd
        self.versions = versions
        self.numbers = {}
        self.seconds = {}
        spark.sparkContext.setCheckpointDir(f"{scratch}/checkpoints")

    def run(self, lines: DataFrame) -> DataFrame:
        """Cluster, source and identifier of each record that is in a cluster of two or more."""
        with self.step("records described"):
            described = self.pipe(lines, "keys", "record string, keys array<string>, description string")
            described = self.kept(described, "described")
            self.numbers["records"] = described.count()

        with self.step("pairs compared"):
            keys = described.select("record", F.explode("keys").alias("key"))
            holders = keys.groupBy("key").count()
            shared = holders.where(F.col("count").between(2, MOST_RECORDS_OF_A_KEY))
            self.numbers["overfull_keys"] = holders.where(F.col("count") > MOST_RECORDS_OF_A_KEY).count()
            blocks = keys.join(shared.select("key"), "key").join(described.drop("keys"), "record")
            pairs = self.pipe(
                grouped(blocks, "key"), f"match --versions {self.versions}", "a string, b string, rank int"
            )
            # Records that share several keys are compared for each of them.
            pairs = self.kept(pairs.distinct(), "pairs")
            self.numbers["pairs"] = pairs.count()

        with self.step("components found"):
            component_of = self.kept(components(pairs.select("a", "b")), "components")
            self.numbers["components"] = component_of.select("component").distinct().count()

        members = component_of.join(described.drop("keys"), "record")
        inner = pairs.join(component_of.withColumnRenamed("record", "a"), "a")
        parts = members.unionByName(inner, allowMissingColumns=True)
        return self.pipe(
            grouped(parts, "component"),
            f"cluster --versions {self.versions}",
            "cluster string, source string, identifier string",
        )

    def pipe(self, lines: DataFrame, action: str, schema: str) -> DataFrame:
        """What `harvestd dedup ACTION` makes of the column `line`, partition by partition. A bad line fails the job."""
        lines.createOrReplaceTempView("lines")
        out = self.spark.sql(
            f"""SELECT TRANSFORM(line)
                ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\t' LINES TERMINATED BY '\\n'
                USING '{self.harvestd} dedup {action}' AS (line STRING)
                ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\t' LINES TERMINATED BY '\\n'
                FROM lines"""
        )
        return out.select(F.from_json("line", schema).alias("row")).select("row.*")

    def kept(self, rows: DataFrame, name: str) -> DataFrame:
        """The same rows, computed once."""
        path = f"{self.scratch}/{name}"
        rows.write.mode("overwrite").parquet(path)
        return self.spark.read.parquet(path)

    def step(self, name: str):
        return Step(self.seconds, name)


class Step:
    """Measures how long a step takes."""

    def __init__(self, seconds: dict, name: str):
        self.seconds = seconds
        self.name = name

    def __enter__(self):
        self.begun = time.monotonic()

    def __exit__(self, *_):
        self.seconds[self.name] = round(time.monotonic() - self.begun, 1)


def grouped(rows: DataFrame, key: str) -> DataFrame:
    """The rows as lines, those with one key next to each other and in one partition."""
    return rows.repartition(key).sortWithinPartitions(key).select(F.to_json(F.struct("*")).alias("line"))


def components(edges: DataFrame) -> DataFrame:
    """The connected component of each record, named after its first record.

    This is the algorithm of alternating large and small stars (Kiveris et al., Connected Components in MapReduce
    and Beyond, 2014). The number of rounds grows with the logarithm of the longest path.
    """
    edges = edges.select(F.greatest("a", "b").alias("u"), F.least("a", "b").alias("v")).distinct()
    before = None
    while True:
        by_u = Window.partitionBy("u")
        both = edges.union(edges.select(F.col("v").alias("u"), F.col("u").alias("v")))
        least = F.least(F.col("u"), F.min("v").over(by_u))
        large = both.select("u", "v", least.alias("m")).where("v > u").select(F.col("v").alias("u"), F.col("m").alias("v"))
        large = large.distinct()
        stars = large.select("u", "v", F.min("v").over(by_u).alias("m"))
        roots = stars.select("u", F.col("m").alias("v"))
        others = stars.where("v <> m").select(F.col("v").alias("u"), F.col("m").alias("v"))
        edges = roots.union(others).distinct().checkpoint()
        state = edges.agg(F.count("*"), F.sum(F.xxhash64("u", "v").cast("decimal(38,0)"))).first()
        if state == before:
            break
        before = state
    stars = edges.select(F.col("u").alias("record"), F.col("v").alias("component"))
    centres = edges.select(F.col("v").alias("record"), F.col("v").alias("component")).distinct()
    return stars.union(centres)


if __name__ == "__main__":
    main()
