//! What repositories call their sets.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::open::Cached;
use super::{Reader, SourceId, Store, StoreError};

impl Store {
    /// Replaces the names of a source's sets. `names` has setSpecs and names; if a setSpec comes twice, the
    /// first name counts.
    pub fn put_set_names(
        &self,
        source: SourceId,
        names: &[(String, String)],
    ) -> Result<(), StoreError> {
        self.write("storing the names of sets", |transaction| {
            transaction.run("DELETE FROM set_name WHERE source_id = ?1", [source.0])?;
            for (set_spec, name) in names {
                transaction.run(
                    "INSERT OR IGNORE INTO set_name VALUES (?1, ?2, ?3)",
                    params![source.0, set_spec, name],
                )?;
            }
            Ok(())
        })
    }
}

impl Reader {
    /// What the repository calls one set of a source, if that is known.
    pub fn set_name(&self, source: SourceId, set: &str) -> Result<Option<String>, StoreError> {
        self.read("reading the name of a set", |connection| {
            connection
                .one(
                    "SELECT name FROM set_name WHERE source_id = ?1 AND set_spec = ?2",
                    params![source.0, set],
                    |row| row.get(0),
                )
                .optional()
        })
    }

    /// The names of a source's sets by setSpec, as far as they are known.
    pub fn set_names(&self, source: &str) -> Result<BTreeMap<String, String>, StoreError> {
        self.read("reading the names of sets", |connection| {
            connection
                .prepare_cached(
                    "SELECT set_spec, set_name.name FROM set_name
                     JOIN source ON source.id = source_id WHERE source.name = ?1",
                )?
                .query_map([source], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SourceDefinition;

    #[test]
    fn names_are_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let source = |name: &str| {
            let definition = SourceDefinition {
                name: name.to_owned(),
                base_url: "https://a.example/oai".to_owned(),
                metadata_prefix: "oai_dc".to_owned(),
                sets: Vec::new(),
                floor: None,
            };
            store.register_source(&definition).unwrap().0.id
        };
        let (a, b) = (source("a"), source("b"));
        let put = |source, names: &[(&str, &str)]| {
            let names = names
                .iter()
                .map(|(spec, name)| (spec.to_string(), name.to_string()));
            store
                .put_set_names(source, &names.collect::<Vec<_>>())
                .unwrap();
        };
        put(b, &[("x", "Other")]);
        put(a, &[("x", "Physics"), ("y", "Law"), ("x", "Twice")]);
        put(a, &[("x", "Physics"), ("z", "Art"), ("x", "Twice")]);
        let reader = store.reader().unwrap();
        let names = reader.set_names("a").unwrap();
        let names: Vec<(&str, &str)> = names.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(names, [("x", "Physics"), ("z", "Art")]);
        assert_eq!(reader.set_names("b").unwrap()["x"], "Other");
        assert_eq!(reader.set_name(a, "z").unwrap().unwrap(), "Art");
        assert_eq!(reader.set_name(a, "y").unwrap(), None);
        assert!(reader.set_names("c").unwrap().is_empty());
    }
}
