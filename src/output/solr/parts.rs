//! The small parts of an audit: what answers hold, how ids are grouped and queried, a set of numbers.

use serde_json::Value;

/// The part of an id that the ids of one repository have in common: up to its last colon; where that
/// is but a scheme, as in `https://repository.example/1` or `hdl:123/4`, up to the next slash that
/// something follows.
pub(super) fn family(id: &str) -> Option<&str> {
    let colon = id.rfind(':')?;
    if id[..colon].contains(':') || !["http", "https", "hdl", "doi"].contains(&&id[..colon]) {
        return Some(&id[..=colon]);
    }
    let name = colon + 1 + id[colon + 1..].find(|c| c != '/')?;
    let slash = id[name..].find('/')?;
    Some(&id[..=name + slash])
}

/// A text as part of a query, each character for itself.
pub(super) fn escape(text: &str) -> String {
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
pub(super) fn documents(answer: &Value) -> Vec<&Value> {
    let listed = answer["response"]["docs"].as_array();
    let single = answer.get("doc").filter(|document| document.is_object());
    listed.into_iter().flatten().chain(single).collect()
}

/// The values of a field as texts, whether it is multi-valued or not.
pub(super) fn values(value: &Value) -> Vec<String> {
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

/// A set of small numbers.
#[derive(Debug, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// The word of a number, and its bit there.
    fn place(number: u64) -> (usize, u64) {
        let word = usize::try_from(number / 64).unwrap_or(usize::MAX);
        (word, 1 << (number % 64))
    }

    /// Adds a number.
    pub(super) fn set(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit;
    }

    /// Whether a number is in it.
    pub(super) fn has(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sets_of_numbers() {
        let mut bits = Bits::default();
        for number in [1, 63, 64, 1000] {
            bits.set(number);
        }
        let has: Vec<u64> = (0..2000).filter(|number| bits.has(*number)).collect();
        assert_eq!(has, [1, 63, 64, 1000]);
    }

    #[test]
    fn answers_have_documents_and_values() {
        assert_eq!(documents(&json!({"doc": null})).len(), 0);
        assert_eq!(documents(&json!({"doc": {"id": "1"}})).len(), 1);
        assert_eq!(documents(&json!({"response": {"docs": [{}, {}]}})).len(), 2);
        assert_eq!(values(&json!(null)), [""; 0]);
        assert_eq!(values(&json!("a")), ["a"]);
        assert_eq!(values(&json!(["a", 5])), ["a", "5"]);
        assert_eq!(escape("doaj-art:é"), "doaj\\-art\\:é");
        assert_eq!(
            family("oai:doaj.org/journal:1"),
            Some("oai:doaj.org/journal:")
        );
        let url = "https://repository.example/";
        assert_eq!(family(&format!("{url}item/1")), Some(url));
        assert_eq!(family("hdl:2027/x.1"), Some("hdl:2027/"));
        assert_eq!(family("https://"), None);
        assert_eq!(family("1"), None);
    }
}
