//! Lists of identifiers, judged like lists of records.

use crate::oai::response::List;
use crate::oai::{Content, Record};

/// Turns a page of identifiers into a page of records that have only headers.
pub(in crate::harvest) fn identifiers_to_records(content: &mut Content) {
    if let Content::Identifiers(list) = content {
        let list = List {
            items: std::mem::take(&mut list.items)
                .into_iter()
                .map(Record::tombstone)
                .collect(),
            bad: std::mem::take(&mut list.bad),
            token: list.token.take(),
            paging: std::mem::take(&mut list.paging),
        };
        *content = Content::Records(list);
    }
}
