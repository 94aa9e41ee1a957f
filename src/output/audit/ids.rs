//! The common beginnings of ids.

/// The part of an id that the ids of one repository have in common: up to its last colon. If only a scheme
/// precedes that colon, as in `https://repository.example/1` or `hdl:123/4`, up to the next slash.
pub(super) fn family(id: &str) -> Option<&str> {
    let colon = id.rfind(':')?;
    if id[..colon].contains(':') || !["http", "https", "hdl", "doi"].contains(&&id[..colon]) {
        return Some(&id[..=colon]);
    }
    let name = colon + 1 + id[colon + 1..].find(|c| c != '/')?;
    let slash = id[name..].find('/')?;
    Some(&id[..=name + slash])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_repository_begin_alike() {
        let url = "https://repository.example/";
        let item = format!("{url}item/1");
        let cases = [
            ("oai:doaj.org/journal:1", Some("oai:doaj.org/journal:")),
            (&item, Some(url)),
            ("hdl:2027/x.1", Some("hdl:2027/")),
            ("https://", None),
            ("1", None),
        ];
        for (id, expected) in cases {
            assert_eq!(family(id), expected, "{id}");
        }
    }
}
