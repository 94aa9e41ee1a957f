//! How records become the documents of an index.

use std::collections::BTreeMap;

use serde::Serialize;

use super::settings::{DocumentKind, OpenSearchSettings};
use crate::output::catalogue;
use crate::output::enrich::Part;
use crate::output::jsonl::SCHEMA_VERSION;
use crate::output::render;
use crate::output::target::{Documents, IdPrefixes};
use crate::output::vufind::push_object;
use crate::record::Resource;
use crate::store::StoredRecord;

/// The field of every document that has the record's version.
pub(crate) const VERSION_FIELD: &str = "version";

/// A document of kind `resource`.
#[derive(Serialize)]
struct ResourceDocument<'a> {
    id: &'a str,
    source: &'a str,
    identifier: &'a str,
    datestamp: &'a str,
    version: i64,
    metadata_prefix: &'a str,
    set_specs: &'a [String],
    schema_version: u32,
    resource: &'a Resource,
}

impl OpenSearchSettings {
    fn push_resource(
        &self,
        record: &StoredRecord,
        enrich: &[Part],
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        if record.metadata.is_none() {
            return Err("the record has no metadata".to_owned());
        }
        let resource = render::resource(record, enrich)?;
        let document = ResourceDocument {
            id: &self.document_id(&record.source, &record.identifier),
            source: &record.source,
            identifier: &record.identifier,
            datestamp: &record.datestamp,
            version: record.version.0,
            metadata_prefix: &record.metadata_prefix,
            set_specs: &record.set_specs,
            schema_version: SCHEMA_VERSION,
            resource: &resource,
        };
        // Writing to memory cannot fail, and every key is a text.
        serde_json::to_writer(out, &document).expect("documents serialise");
        Ok(())
    }

    /// VuFind's document. Its version is a text, like all values; the index reads it as a number.
    fn push_vufind(
        &self,
        record: &StoredRecord,
        enrich: &[Part],
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let mut document = catalogue::document(record, &self.documents, enrich)?;
        document.push(VERSION_FIELD, record.version.to_string());
        push_object(&document, out);
        Ok(())
    }
}

impl Documents for OpenSearchSettings {
    fn document_id(&self, source: &str, identifier: &str) -> String {
        self.documents.document_id(source, identifier)
    }

    fn identifiers(&self, document_id: &str) -> Vec<String> {
        self.documents.identifiers(document_id)
    }

    fn push_add(
        &self,
        record: &StoredRecord,
        enrich: &[Part],
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        match self.document {
            DocumentKind::Resource => self.push_resource(record, enrich, out),
            DocumentKind::Vufind => self.push_vufind(record, enrich, out),
        }
    }

    /// A deletion has no body; its action is written with the batch.
    fn push_delete(&self, _: &str, _: &mut Vec<u8>) {}

    fn values(
        &self,
        record: &StoredRecord,
        _: &[Part],
        fields: &[String],
    ) -> Result<Vec<Vec<String>>, String> {
        // Audits compare nothing but versions.
        let value = |field: &String| match field == VERSION_FIELD {
            true => vec![record.version.to_string()],
            false => Vec::new(),
        };
        Ok(fields.iter().map(value).collect())
    }

    fn id_spaces(&self) -> BTreeMap<String, String> {
        self.documents.id_spaces()
    }

    fn id_prefixes(&self) -> IdPrefixes<'_> {
        self.documents.id_prefixes()
    }

    fn definition(&self) -> String {
        /// Renaming one of these fields sends all documents again.
        #[derive(Serialize)]
        struct Definition<'a> {
            document: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            schema_version: Option<u32>,
            #[serde(skip_serializing_if = "Option::is_none")]
            ids: Option<Ids<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            documents: Option<String>,
        }
        #[derive(Serialize)]
        struct Ids<'a> {
            prefix: &'a str,
            rewrites: &'a [(String, String)],
            by_source: BTreeMap<String, String>,
        }
        let default = &self.documents.default;
        let is_resource = self.document == DocumentKind::Resource;
        let definition = Definition {
            document: self.document.name(),
            schema_version: is_resource.then_some(SCHEMA_VERSION),
            ids: is_resource.then(|| Ids {
                prefix: &default.id_prefix,
                rewrites: &default.id_rewrites,
                by_source: self.documents.id_spaces(),
            }),
            documents: (!is_resource).then(|| self.documents.definition()),
        };
        serde_json::to_string(&definition).expect("texts can be written")
    }
}
