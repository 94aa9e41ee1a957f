//! A store whose records a test writes itself, served as a repository.

use std::num::NonZeroUsize;
use std::sync::Arc;

use harvestd::harvest::proven;
use harvestd::oai::Record;
use harvestd::oai::response::Header;
use harvestd::provider::{Answer, ProviderFormat, ProviderSettings, Repository};
use harvestd::store::{
    ChangeFilter, NewWindow, PageStep, PassKind, PassPacker, PassWriter, Reader, ServingClock,
    SetMap, SourceDefinition, Span, Step, Store,
};

/// 2026-06-01T00:00:00Z.
pub(crate) const BEGIN: i64 = 1_780_272_000;

pub(crate) struct World {
    pub(crate) store: Arc<Store>,
    pub(crate) reader: Reader,
    pub(crate) clock: ServingClock,
    pub(crate) settings: ProviderSettings,
    pub(crate) set_map: SetMap,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Arc::new(Store::open(&path).unwrap());
        Self {
            reader: Reader::open(&path).unwrap(),
            clock: ServingClock::open(&path).unwrap(),
            store,
            settings: settings(),
            set_map: short_stretches(),
            _folder: folder,
        }
    }

    /// Opens the store again, as a restart of the daemon does.
    pub(crate) fn reopen(&mut self) {
        let path = self.store.path().to_owned();
        self.store = Arc::new(Store::open(&path).unwrap());
        self.reader = Reader::open(&path).unwrap();
        self.set_map = short_stretches();
        self.clock = ServingClock::open(&path).unwrap();
    }

    /// Stores a page of a source at a second. The source has the metadata format `oai_dc`, or what its name
    /// says after `@`.
    pub(crate) fn put(&self, source: &str, second: i64, records: Vec<Record>) {
        let (name, prefix) = source.split_once('@').unwrap_or((source, "oai_dc"));
        let definition = SourceDefinition {
            name: name.to_owned(),
            base_url: format!("http://{name}.example/oai"),
            metadata_prefix: prefix.to_owned(),
            sets: Vec::new(),
            floor: None,
        };
        let (source, _) = self.store.register_source(&definition).unwrap();
        let whole = NewWindow {
            set_spec: None,
            span: Span {
                from: None,
                until: None,
            },
        };
        let now_ms = second * 1000;
        let pass = self
            .store
            .begin_pass(source.id, PassKind::Full, false, true, &[whole], now_ms)
            .unwrap();
        let window = self.store.pending_windows(pass).unwrap()[0].id;
        let mut packer = PassPacker::new(Arc::clone(&self.store), source.id, prefix).unwrap();
        let mut writer = PassWriter::new(Arc::clone(&self.store), source.id, pass, proven);
        let page = PageStep {
            window,
            records,
            ..PageStep::default()
        };
        let packed = packer.pack(Step::Page(page)).unwrap();
        writer.apply(&[packed], now_ms).unwrap();
    }

    pub(crate) fn repository(&self) -> Repository<'_> {
        Repository {
            settings: &self.settings,
            base_url: "https://harvest.example/oai",
            set_map: &self.set_map,
        }
    }

    /// The answer to a request, as the daemon makes it at a second.
    pub(crate) fn answer_at(&self, second: i64, arguments: &str) -> Answer {
        self.clock.advance(second).unwrap();
        self.repository().answer(&self.reader, arguments).unwrap()
    }

    /// The same at the time of the newest change.
    pub(crate) fn answer(&self, arguments: &str) -> Answer {
        self.answer_at(0, arguments)
    }
}

/// A map of sets that skips parts of small stores too.
fn short_stretches() -> SetMap {
    SetMap::with_stretches(NonZeroUsize::new(7).unwrap())
}

pub(crate) fn settings() -> ProviderSettings {
    ProviderSettings {
        listen: None,
        path: "/oai".into(),
        repository_name: "Records & <more>".into(),
        admin_emails: vec!["library@example.org".into()],
        base_url: None,
        page_size: 100,
        formats: ProviderFormat::ALL.to_vec(),
        filter: ChangeFilter::default(),
        identifier_namespace: "harvest.example".into(),
        forgets_deletions: false,
    }
}

pub(crate) fn live(identifier: &str, sets: &[&str], title: &str) -> Record {
    let metadata = format!(
        "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>{title}</dc:title>\
         <dc:creator>Li, Wei</dc:creator><dc:date>2001</dc:date></oai_dc:dc>"
    );
    of(identifier, sets, metadata)
}

pub(crate) fn of(identifier: &str, sets: &[&str], metadata: String) -> Record {
    Record {
        metadata: Some(metadata),
        ..Record::tombstone(header(identifier, sets, false))
    }
}

pub(crate) fn gone(identifier: &str) -> Record {
    Record::tombstone(header(identifier, &[], true))
}

fn header(identifier: &str, sets: &[&str], deleted: bool) -> Header {
    Header {
        identifier: identifier.to_owned(),
        datestamp: "2026-05-01T00:00:00Z".to_owned(),
        set_specs: sets.iter().map(|set| (*set).to_owned()).collect(),
        deleted,
    }
}
