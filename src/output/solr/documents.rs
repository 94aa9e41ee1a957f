//! How records become the documents of an index.

use std::collections::BTreeMap;

use serde::Serialize;

use super::settings::SolrSettings;
use crate::output::catalogue;
use crate::output::enrich::Part;
use crate::output::target::{Documents, IdPrefixes};
use crate::output::vufind::{Document, Encoding};
use crate::store::StoredRecord;

impl SolrSettings {
    fn document(&self, record: &StoredRecord, enrich: &[Part]) -> Result<Document, String> {
        let mut document = catalogue::document(record, &self.documents, enrich)?;
        if let Some(field) = &self.version_field {
            document.push(field.clone(), record.version.to_string());
        }
        Ok(document)
    }
}

impl Documents for SolrSettings {
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
        let document = self.document(record, enrich)?;
        Encoding::Json.push_add(&document, out);
        Ok(())
    }

    fn push_delete(&self, id: &str, out: &mut Vec<u8>) {
        Encoding::Json.push_delete(id, out);
    }

    fn values(
        &self,
        record: &StoredRecord,
        enrich: &[Part],
        fields: &[String],
    ) -> Result<Vec<Vec<String>>, String> {
        let document = self.document(record, enrich)?;
        let values = |name: &String| {
            let field = document.fields().iter().find(|field| field.name == *name);
            field.map_or_else(Vec::new, |field| field.values.as_slice().to_vec())
        };
        Ok(fields.iter().map(values).collect())
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
            version_field: &'a Option<String>,
            documents: String,
        }
        let definition = Definition {
            version_field: &self.version_field,
            documents: self.documents.definition(),
        };
        serde_json::to_string(&definition).expect("texts can be written")
    }
}
