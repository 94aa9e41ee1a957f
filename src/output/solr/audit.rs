//! Lists the documents of an index for an audit.

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::check::Schema;
use super::target::SolrIndex;
use crate::output::target::{
    AuditProblem, AuditTarget, ComparedBy, DocumentPage, DocumentState, OutputError,
};

/// Documents in one page. Each page costs the index a look at all ids, however few it asks for.
const PAGE: usize = 5000;

impl AuditTarget for SolrIndex {
    fn compared_fields(&self) -> BoxFuture<'_, Result<ComparedBy, AuditProblem>> {
        Box::pin(async move {
            let schema = Schema::of(&self.client).await?;
            let fields = self.fields();
            match fields.iter().find(|field| !schema.is_stored(field)) {
                Some(field) => Err(AuditProblem::Settings(format!(
                    "the index does not store {field}, so it cannot be compared"
                ))),
                None => Ok(match &self.settings.version_field {
                    Some(field) => ComparedBy::Version(field.clone()),
                    None => ComparedBy::Fields(self.settings.compare_fields.clone()),
                }),
            }
        })
    }

    fn knows_own_documents(&self) -> bool {
        self.settings.audit_filter.is_some()
    }

    fn page<'a>(
        &'a self,
        id_prefixes: &'a [String],
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<DocumentPage, OutputError>> {
        Box::pin(async move {
            let id_field = self.id_field();
            let own = |prefix: &String| format!("{id_field}:{}*", escape(prefix));
            let filter = match &self.settings.audit_filter {
                Some(filter) => filter.clone(),
                None => id_prefixes.iter().map(own).collect::<Vec<_>>().join(" OR "),
            };
            let cursor = cursor.unwrap_or("*");
            let arguments = [
                ("q", "*:*".to_owned()),
                ("fq", filter),
                ("defType", "lucene".to_owned()),
                ("sort", format!("{id_field} asc")),
                ("rows", PAGE.to_string()),
                ("fl", self.wanted_fields()),
                ("spellcheck", "false".to_owned()),
                ("cursorMark", cursor.to_owned()),
            ];
            let answer = self.client.ask("select", &arguments).await?;
            let next = answer["nextCursorMark"].as_str();
            Ok(DocumentPage {
                documents: self.states(&answer),
                next: next.filter(|next| *next != cursor).map(str::to_owned),
            })
        })
    }

    fn get<'a>(
        &'a self,
        ids: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<DocumentState>, OutputError>> {
        Box::pin(async move {
            // Without the header, nothing in the answer shows that it is Solr's; this handler leaves it
            // out by default.
            let mut arguments = vec![
                ("fl", self.wanted_fields()),
                ("omitHeader", "false".to_owned()),
            ];
            arguments.extend(ids.iter().map(|id| ("id", (*id).to_owned())));
            Ok(self.states(&self.client.ask("get", &arguments).await?))
        })
    }
}

impl SolrIndex {
    /// The name of the unique key.
    fn id_field(&self) -> String {
        self.settings
            .documents
            .default
            .field_name("id")
            .into_owned()
    }

    /// The compared fields.
    fn fields(&self) -> Vec<&str> {
        match &self.settings.version_field {
            Some(field) => vec![field],
            None => self
                .settings
                .compare_fields
                .iter()
                .map(String::as_str)
                .collect(),
        }
    }

    fn wanted_fields(&self) -> String {
        let mut fields = self.id_field();
        for field in self.fields() {
            fields.push(',');
            fields.push_str(field);
        }
        fields
    }

    fn states(&self, answer: &Value) -> Vec<DocumentState> {
        let (id_field, fields) = (self.id_field(), self.fields());
        let state = |document: &Value| DocumentState {
            id: document[&id_field].as_str().unwrap_or_default().to_owned(),
            values: fields
                .iter()
                .map(|field| values(&document[field]))
                .collect(),
        };
        documents(answer).into_iter().map(state).collect()
    }
}

/// A text as part of a query, without any special characters.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if !c.is_alphanumeric() {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The documents of an answer: of a search, or of a request by ids, which has another form for one.
fn documents(answer: &Value) -> Vec<&Value> {
    let listed = answer["response"]["docs"].as_array();
    let single = answer.get("doc").filter(|document| document.is_object());
    listed.into_iter().flatten().chain(single).collect()
}

/// The values of a field as texts, whether it is multi-valued or not.
fn values(value: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().map(text).collect(),
        one => vec![text(one)],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_have_documents_and_values() {
        assert_eq!(documents(&json!({"doc": null})).len(), 0);
        assert_eq!(documents(&json!({"doc": {"id": "1"}})).len(), 1);
        assert_eq!(documents(&json!({"response": {"docs": [{}, {}]}})).len(), 2);
        assert_eq!(values(&json!(null)), [""; 0]);
        assert_eq!(values(&json!("a")), ["a"]);
        assert_eq!(values(&json!(["a", 5])), ["a", "5"]);
        assert_eq!(escape("doaj-art:é"), "doaj\\-art\\:é");
    }
}
