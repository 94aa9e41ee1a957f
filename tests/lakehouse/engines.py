"""Other people's engines, which read and keep up a table with the statements of docs/outputs/delta-engines.md."""

import json
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parent.parent.parent
# The name that the documentation gives the table.
DOCUMENTED = "s3://library/records"
COLUMNS = (
    "source, identifier, version, datestamp, deleted, metadata_prefix, set_specs, cluster_id, is_canonical, metadata, "
    "to_json(resource) AS resource"
)


def read_statements():
    """The statements of the documentation, by the name that their first line has."""
    page = (ROOT / "docs/outputs/delta-engines.md").read_text(encoding="utf-8")
    return dict(re.findall(r"```(?:sql|python)\n(?:--|#) (.*?)\n(.*?)```", page, re.DOTALL))


STATEMENTS = read_statements()
USED = set()


def statement(name, url):
    """A statement of the documentation, for another table."""
    USED.add(name)
    return STATEMENTS[name].replace(DOCUMENTED, url)


class Deltalake:
    """Polars, and the package deltalake, by which it reads tables."""

    name = "Polars"

    def __init__(self, options=None):
        self.options = options

    def run(self, name, url):
        code = statement(name, url)
        if self.options:
            code = code.replace(f'("{url}")', f'("{url}", storage_options=OPTIONS)')
        names = {"OPTIONS": self.options}
        exec(code, names)  # noqa: S102, it is our own documentation
        return names

    def current(self, url):
        return self.run("polars: current", url)["current"].to_dicts()

    def rows(self, url):
        """All rows of the table: of which state of which record each is."""
        from deltalake import DeltaTable, QueryBuilder

        table = DeltaTable(url, storage_options=self.options)
        found = QueryBuilder().register("records", table).execute(
            "SELECT store_id, source, identifier, version FROM records"
        )
        batches = found.read_all()
        return list(zip(*(column(batches, name) for name in ("store_id", "source", "identifier", "version"))))

    def files(self, url):
        """The number of files that the newest state of the table has."""
        from deltalake import DeltaTable

        return len(DeltaTable(url, storage_options=self.options).file_uris())

    def vacuum_now(self, url):
        """Deletes all files that the newest state of the table does not have. Returns their number."""
        from deltalake import DeltaTable

        table = DeltaTable(url, storage_options=self.options)
        return len(table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False))


def column(table, name):
    return [value.as_py() for chunk in table.column(name).chunks for value in chunk]


class DuckDb:
    name = "DuckDB"

    def __init__(self, endpoint=None):
        import duckdb
        from duckdb_extensions import import_extension

        self.connection = duckdb.connect()
        for extension in ("delta", "httpfs") if endpoint else ("delta",):
            import_extension(extension)
            self.connection.execute(f"LOAD {extension}")
        if endpoint:
            self.connection.execute(
                f"""CREATE SECRET (TYPE s3, KEY_ID 'testing', SECRET 'testing', REGION 'us-east-1',
                    ENDPOINT '{endpoint.removeprefix("http://")}', URL_STYLE 'path', USE_SSL false)"""
            )

    def current(self, url):
        found = self.connection.execute(f"SELECT {COLUMNS} FROM ({statement('duckdb: current', url)})")
        names = [column[0] for column in found.description]
        return [with_resource(dict(zip(names, row))) for row in found.fetchall()]


class Spark:
    name = "Spark"

    def __init__(self, classpath, endpoint=None):
        from pyspark.sql import SparkSession

        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        os.environ["PYSPARK_PYTHON"] = sys.executable
        settings = {
            "spark.driver.extraClassPath": classpath,
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
            "spark.sql.shuffle.partitions": "2",
            "spark.databricks.delta.snapshotPartitions": "2",
            # Into so many parts VACUUM divides its list of files. The default is 10,000, which takes minutes.
            "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "ERROR",
        }
        if endpoint:
            settings |= {
                "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
                "spark.hadoop.fs.s3a.endpoint": endpoint,
                "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
                "spark.hadoop.fs.s3a.path.style.access": "true",
                "spark.hadoop.fs.s3a.access.key": "testing",
                "spark.hadoop.fs.s3a.secret.key": "testing",
            }
        builder = SparkSession.builder.master("local[2]")
        for key, value in settings.items():
            builder = builder.config(key, value)
        self.session = builder.getOrCreate()

    def run(self, name, url):
        """Runs the statements one after the other, and returns what the last one gives."""
        result = None
        for text in statement(name, url).split(";"):
            result = self.session.sql(text)
        return result

    def current(self, url):
        self.run("spark: current", url).createOrReplaceTempView("current")
        return [with_resource(row.asDict()) for row in self.session.sql(f"SELECT {COLUMNS} FROM current").collect()]


def with_resource(row):
    row["resource"] = json.loads(row["resource"] or "{}")
    return row
