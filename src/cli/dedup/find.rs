//! Finds the record that an argument names.

use super::super::exit::UsageError;
use crate::cli::table::printable;
use crate::store::{Member, Reader};

/// The record that `text` names: an identifier, or `source/identifier`.
///
/// # Errors
/// If no record or several have that name, or if the store cannot be read.
pub(super) fn one(reader: &Reader, text: &str) -> anyhow::Result<Member> {
    let mut found = all(reader, text)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(UsageError(format!("no record {text:?} in the store")).into()),
        _ => {
            let names: Vec<String> = found.iter().map(name).collect();
            Err(UsageError(format!(
                "several sources have the record {text:?}; say which one: {}",
                names.join(", ")
            ))
            .into())
        }
    }
}

/// The records that `text` can mean, one for each source.
///
/// # Errors
/// If the store cannot be read.
pub(super) fn all(reader: &Reader, text: &str) -> anyhow::Result<Vec<Member>> {
    let found = reader.members(text)?;
    if !found.is_empty() {
        return Ok(found);
    }
    // No source's name has a slash.
    let Some((source, identifier)) = text.split_once('/') else {
        return Ok(Vec::new());
    };
    let mut found = reader.members(identifier)?;
    found.retain(|member| member.source == source);
    Ok(found)
}

/// The name of a record for display: `source/identifier`, with control characters made visible.
pub(super) fn name(member: &Member) -> String {
    printable(&format!("{}/{}", member.source, member.identifier))
}
