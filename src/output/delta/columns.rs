//! The columns of the table.
//!
//! Rows are made by serialising, and a field without a column is an error, so a new field of the resource
//! cannot be lost silently.

use std::sync::Arc;

use delta_kernel::KernelResult;
use delta_kernel::schema::{ArrayType, DataType, SchemaRef, StructField, StructType};

/// The number of columns, from the first on, whose smallest and largest values are kept for each file.
pub(super) const WITH_STATISTICS: u32 = 8;

/// The schema of the table. All columns can be null.
pub(super) fn schema() -> KernelResult<SchemaRef> {
    Ok(Arc::new(StructType::try_new([
        text("store_id"),
        text("source"),
        text("identifier"),
        number("version"),
        StructField::nullable("written_at", DataType::TIMESTAMP),
        text("datestamp"),
        flag("deleted"),
        number("created_version"),
        text("deletion"),
        text("metadata_prefix"),
        texts("set_specs"),
        StructField::nullable("schema_version", DataType::INTEGER),
        text("cluster_id"),
        flag("is_canonical"),
        texts("match_keys"),
        text("metadata"),
        text("extra"),
        text("error"),
        group(
            "source_state",
            [
                text("output"),
                text("watermark"),
                number("complete_at"),
                text("state"),
            ],
        )?,
        group("resource", resource()?)?,
    ])?))
}

/// The fields of a resource.
fn resource() -> KernelResult<Vec<StructField>> {
    Ok(vec![
        text("type"),
        texts("stated_types"),
        groups("titles", [text("text"), text("subtitle"), text("language")])?,
        groups(
            "agents",
            [
                text("name"),
                text("family"),
                text("given"),
                text("role"),
                flag("organisation"),
                text("orcid"),
                texts("affiliations"),
                text("dates"),
                text("email"),
            ],
        )?,
        groups("dates", [text("kind"), text("text")])?,
        group(
            "host",
            [
                text("title"),
                text("type"),
                text("issn"),
                text("eissn"),
                texts("other_issns"),
                texts("isbns"),
                text("volume"),
                text("issue"),
                text("start_page"),
                text("end_page"),
                text("conference"),
            ],
        )?,
        groups("series", [text("title"), text("number")])?,
        groups("identifiers", [text("kind"), text("value")])?,
        groups("links", [text("url"), text("purpose"), text("format")])?,
        groups("related", [text("relation"), text("text")])?,
        groups("languages", [text("text"), text("code"), text("iso639_3")])?,
        groups(
            "subjects",
            [text("scheme"), text("code"), text("term"), text("language")],
        )?,
        groups("abstracts", [text("text"), text("language")])?,
        groups("rights", [text("text"), text("url")])?,
        groups("publishers", [text("name"), text("place"), text("country")])?,
        text("edition"),
        texts("extent"),
        texts("formats"),
        group(
            "degree",
            [
                text("name"),
                text("level"),
                text("discipline"),
                text("grantor"),
            ],
        )?,
        texts("citations"),
        texts("notes"),
        text("further"),
        texts("flags"),
    ])
}

fn text(name: &str) -> StructField {
    StructField::nullable(name, DataType::STRING)
}

fn number(name: &str) -> StructField {
    StructField::nullable(name, DataType::LONG)
}

fn flag(name: &str) -> StructField {
    StructField::nullable(name, DataType::BOOLEAN)
}

fn texts(name: &str) -> StructField {
    StructField::nullable(name, ArrayType::new(DataType::STRING, true))
}

fn group(name: &str, fields: impl IntoIterator<Item = StructField>) -> KernelResult<StructField> {
    Ok(StructField::nullable(name, StructType::try_new(fields)?))
}

fn groups(name: &str, fields: impl IntoIterator<Item = StructField>) -> KernelResult<StructField> {
    let item = StructType::try_new(fields)?;
    Ok(StructField::nullable(name, ArrayType::new(item, true)))
}
