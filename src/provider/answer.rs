//! From a request to an answer.

use std::ops::ControlFlow;

use super::arguments::{self, Pairs, Request, Selection, Start};
use super::error::{ErrorCode, OaiError};
use super::formats::{self, Writing};
use super::page::{Page, Room, with_writers};
use super::settings::ProviderSettings;
use super::token::Token;
use super::{sets, xml};
use crate::oai::Datestamp;
use crate::oai::request::Verb;
use crate::output::xml::push_element;
use crate::store::{
    Reader, Served, ServedRecord, ServedSource, ServingState, SetMap, StoreError, StoredRecord,
    Version, with_ancestors,
};

/// A page of records ends when it has so many bytes, also if it has fewer records than it could have.
const MAX_PAGE_BYTES: usize = 4 << 20;

/// The number of sets on a page.
const SETS_ON_PAGE: usize = 1_000;

/// The bits of a version below its milliseconds.
const VERSION_BITS: u32 = 20;

/// The store as a repository.
#[derive(Debug, Clone, Copy)]
pub struct Repository<'a> {
    /// What is served.
    pub settings: &'a ProviderSettings,
    /// The URL that requests are sent to.
    pub base_url: &'a str,
    /// Where records of sets are. One map serves all requests.
    pub set_map: &'a SetMap,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The document.
    pub body: Vec<u8>,
    /// The verb, if the request has a right one.
    pub verb: Option<Verb>,
    /// The error in the document.
    pub error: Option<ErrorCode>,
    /// The page of a list in it.
    pub page: Option<ListPage>,
}

/// A page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListPage {
    /// Records, headers or sets on it.
    pub items: u64,
    /// How many items came before it.
    pub cursor: u64,
    /// The number of items in the list, if it is known.
    pub total: Option<u64>,
    /// Whether it is the last page.
    pub is_last: bool,
    /// The resumption token on it; `None` on the last page.
    pub token: Option<String>,
}

/// Why there is no answer, or which error is one.
enum Fault {
    Oai(OaiError),
    Store(StoreError),
}

impl From<OaiError> for Fault {
    fn from(error: OaiError) -> Self {
        Self::Oai(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Repository<'_> {
    /// The answer to a request with these arguments, in the form of a query.
    ///
    /// Its time is the second of the store's clock, [`ServingState::second`]. No record that is not shown
    /// gets an earlier datestamp later.
    ///
    /// # Errors
    /// If the store cannot be read, or its clusters are needed and not up to date.
    pub fn answer(&self, reader: &Reader, arguments: &str) -> Result<Answer, StoreError> {
        // Read before anything else: what is written later has this second or a later one.
        let state = reader.serving_state()?;
        let mut answer = Answer {
            body: Vec::new(),
            verb: None,
            error: None,
            page: None,
        };
        let mut out = Vec::new();
        let mut pairs = Pairs::new();
        let result = arguments::split(arguments).and_then(|split| {
            pairs = split;
            arguments::read(&pairs)
        });
        let result = result.map_err(Fault::from).and_then(|request| {
            answer.verb = Some(verb_of(&request));
            answer.page = self.content(reader, &state, &request, &mut out)?;
            Ok(())
        });
        let content = match &result {
            Ok(()) => Ok(out.as_slice()),
            Err(Fault::Oai(error)) => {
                answer.error = Some(error.code);
                if !error.code.repeats_arguments() {
                    pairs.clear();
                }
                // The element has a schema, and no item has such an identifier.
                pairs.retain(|(name, value)| name != "identifier" || arguments::is_uri(value));
                Err(error)
            }
            Err(Fault::Store(_)) => Ok(&[][..]),
        };
        answer.body = xml::document(state.second, self.base_url, &pairs, content);
        match result {
            Err(Fault::Store(error)) => Err(error),
            _ => Ok(answer),
        }
    }

    fn content(
        &self,
        reader: &Reader,
        state: &ServingState,
        request: &Request,
        out: &mut Vec<u8>,
    ) -> Result<Option<ListPage>, Fault> {
        match request {
            Request::Identify => {
                let oldest = state.oldest.map_or(state.second, second_of);
                out.extend(identify(self.settings, self.base_url, Some(oldest)).into_bytes());
                Ok(None)
            }
            Request::ListMetadataFormats { identifier } => {
                self.list_formats(reader, identifier.as_deref(), out)?;
                Ok(None)
            }
            Request::ListSets { token } => self
                .list_sets(reader, state, token.as_deref(), out)
                .map(Some),
            Request::GetRecord {
                identifier,
                metadata_prefix,
            } => {
                self.get_record(reader, identifier, metadata_prefix, out)?;
                Ok(None)
            }
            Request::List { verb, start } => self.list(reader, state, *verb, start, out).map(Some),
        }
    }

    fn list_formats(
        &self,
        reader: &Reader,
        identifier: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let mut sources = reader.served_sources(&self.settings.filter)?;
        let mut unwritable = Vec::new();
        if let Some(identifier) = identifier {
            let found = self.find(reader, identifier)?.ok_or_else(no_such_item)?;
            let record = &found.record;
            sources.retain(|source| source.name == record.source);
            if record.deletion.is_none() {
                for prefix in ["marcxml", &record.metadata_prefix] {
                    let writing = Writing::of(self.settings, &record.metadata_prefix, prefix);
                    if writing.is_some_and(|writing| formats::write(record, writing).is_none()) {
                        unwritable.push(prefix.to_owned());
                    }
                }
            }
        }
        let mut formats = formats::described(reader, self.settings, &sources)?;
        formats.retain(|format| !unwritable.contains(&format.prefix));
        out.extend_from_slice(b"<ListMetadataFormats>\n");
        for format in formats {
            out.extend_from_slice(b"<metadataFormat>");
            push_element(out, "metadataPrefix", &format.prefix);
            push_element(out, "schema", &format.schema);
            push_element(out, "metadataNamespace", &format.namespace);
            out.extend_from_slice(b"</metadataFormat>\n");
        }
        out.extend_from_slice(b"</ListMetadataFormats>");
        Ok(())
    }

    fn list_sets(
        &self,
        reader: &Reader,
        state: &ServingState,
        token: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<ListPage, Fault> {
        let settings = self.settings.fingerprint();
        let token = token
            .map(|token| Token::read(token, Verb::ListSets, settings, state))
            .transpose()?;
        let after = token.as_ref().and_then(|token| token.last_set.as_deref());
        let mut all: Vec<(String, String)> = Vec::new();
        for source in reader.served_sources(&self.settings.filter)? {
            let name = &source.name;
            let own_name = source.repository_name.as_ref().unwrap_or(name);
            all.push((sets::set_spec(name, None), own_name.clone()));
            let specs = reader.sets_of(name)?;
            let known = reader.set_names(name)?;
            let limit = self.settings.filter.sets.get(name);
            for spec in specs.iter().flat_map(|spec| with_ancestors(spec)) {
                let is_shown =
                    limit.is_none_or(|sets| sets.iter().any(|set| is_related(spec, set)));
                if is_shown {
                    let title = known.get(spec).cloned();
                    let title = title.unwrap_or_else(|| format!("{name}: {spec}"));
                    all.push((sets::set_spec(name, Some(spec)), title));
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        let total = all.len() as u64;
        let cursor = token.as_ref().map_or(0, |token| token.cursor);
        let begin =
            all.partition_point(|(spec, _)| after.is_some_and(|after| spec.as_str() <= after));
        let rest = &all[begin..];
        let page = &rest[..rest.len().min(SETS_ON_PAGE)];
        let Some((last, _)) = page.last() else {
            let message = "the repository has no sets yet";
            return Err(match token {
                Some(_) => OaiError::new(ErrorCode::BadResumptionToken, "the list has ended"),
                None => OaiError::new(ErrorCode::NoSetHierarchy, message),
            }
            .into());
        };
        out.extend_from_slice(b"<ListSets>\n");
        for (spec, name) in page {
            out.extend_from_slice(b"<set>");
            push_element(out, "setSpec", spec);
            push_element(out, "setName", name);
            out.extend_from_slice(b"</set>\n");
        }
        let is_last = page.len() == rest.len();
        let next = (!is_last).then(|| Token {
            verb: Verb::ListSets,
            metadata_prefix: String::new(),
            set: None,
            after: Version(0),
            upto: Version(0),
            cursor: cursor + page.len() as u64,
            total: None,
            forgotten: state.forgotten,
            settings,
            last_set: Some(last.clone()),
        });
        let next = next.map(|next| next.write(state));
        if next.is_some() || token.is_some() {
            let text = next.as_deref().unwrap_or_default();
            xml::push_token(out, text, cursor, Some(total));
        }
        out.extend_from_slice(b"</ListSets>");
        Ok(ListPage {
            items: page.len() as u64,
            cursor,
            total: Some(total),
            is_last,
            token: next,
        })
    }

    fn get_record(
        &self,
        reader: &Reader,
        identifier: &str,
        prefix: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let found = self.find(reader, identifier)?.ok_or_else(no_such_item)?;
        let record = &found.record;
        let writing = Writing::of(self.settings, &record.metadata_prefix, prefix);
        let Some(writing) = writing.filter(|writing| {
            record.deletion.is_some()
                || !writing.can_fail() && *writing != Writing::Native
                || formats::write(record, *writing).is_some()
        }) else {
            let message = format!("the item is not available in the format {prefix}");
            return Err(OaiError::new(ErrorCode::CannotDisseminateFormat, message).into());
        };
        let origins = reader.served_sources(&self.settings.filter)?;
        out.extend_from_slice(b"<GetRecord>\n");
        self.push_item(&found, writing, None, &origins, true, out);
        out.extend_from_slice(b"</GetRecord>");
        Ok(())
    }

    /// The item with an identifier of the repository.
    fn find(&self, reader: &Reader, identifier: &str) -> Result<Option<ServedRecord>, StoreError> {
        let filter = &self.settings.filter;
        let items = reader.served_items(filter, identifier)?;
        if let Some(first) = items.into_iter().find(|item| !item.is_second) {
            return Ok(Some(first));
        }
        let prefix = format!("oai:{}:", self.settings.identifier_namespace);
        let Some((source, own)) = identifier
            .strip_prefix(&prefix)
            .and_then(|rest| rest.split_once(':'))
        else {
            return Ok(None);
        };
        let items = reader.served_items(filter, own)?;
        Ok(items
            .into_iter()
            .find(|item| item.is_second && item.record.source == source))
    }

    fn list(
        &self,
        reader: &Reader,
        state: &ServingState,
        verb: Verb,
        start: &Start,
        out: &mut Vec<u8>,
    ) -> Result<ListPage, Fault> {
        let settings = self.settings.fingerprint();
        let (place, is_continued) = match start {
            Start::Token(text) => (Token::read(text, verb, settings, state)?, true),
            Start::New(selection) => (begin(verb, selection, settings, state), false),
        };
        let prefix = &place.metadata_prefix;
        let sources = reader.served_sources(&self.settings.filter)?;
        let is_known = |source: &ServedSource| {
            Writing::of(self.settings, &source.metadata_prefix, prefix).is_some()
        };
        // Formats that are written from others are known also while the store is empty.
        if Writing::of(self.settings, "", prefix).is_none() && !sources.iter().any(is_known) {
            let message = format!("the format {prefix} is unknown; see ListMetadataFormats");
            return Err(OaiError::new(ErrorCode::CannotDisseminateFormat, message).into());
        }
        let nothing = || OaiError::new(ErrorCode::NoRecordsMatch, "no record matches");
        let (source, set) = match place.set.as_deref().map(sets::parse) {
            None => (None, None),
            Some(Some((source, set))) => (Some(source), set),
            Some(None) => return Err(nothing().into()),
        };
        let is_written = Writing::of(self.settings, "", prefix).is_some();
        let served = Served {
            filter: &self.settings.filter,
            source,
            set: set.as_deref(),
            metadata_prefix: (!is_written).then_some(prefix.as_str()),
            set_map: Some(self.set_map),
        };
        let total = match is_continued {
            true => place.total,
            false if place.after == Version(0) && place.upto == state.newest => {
                reader.count_served(served)?
            }
            false => None,
        };
        let whole = verb == Verb::ListRecords;
        let writing =
            |record: &StoredRecord| Writing::of(self.settings, &record.metadata_prefix, prefix);
        let content =
            whole || Writing::of(self.settings, "", prefix).is_some_and(Writing::can_fail);
        let mut page = ListPage {
            cursor: place.cursor,
            total,
            ..ListPage::default()
        };
        let element = if whole {
            "ListRecords"
        } else {
            "ListIdentifiers"
        };
        out.extend_from_slice(format!("<{element}>\n").as_bytes());
        let write = |item: &ServedRecord, writing: Writing, out: &mut Vec<u8>| {
            self.push_item(item, writing, place.set.as_deref(), &sources, whole, out);
        };
        let room = Room {
            items: self.settings.page_size,
            bytes: MAX_PAGE_BYTES,
        };
        let (items, last, is_last) = with_writers(content, |scope| {
            let mut filling = Page::new(room, place.after, &write, scope, out);
            let mut walk = |span| {
                reader.served(served, span, content, |item| match writing(&item.record) {
                    Some(writing) => filling.add(item, writing),
                    None => ControlFlow::Continue(()),
                })?;
                filling.flush();
                Ok::<_, StoreError>((filling.items, filling.last, !filling.has_more))
            };
            let (items, last, is_last) = walk((place.after, place.upto))?;
            if is_continued && items == 0 {
                // All records of the rest have changed since the token was given, and a page must not be
                // empty. They are in the next list too.
                let (items, last, _) = walk((place.upto, state.newest))?;
                return Ok((items, last, true));
            }
            Ok::<_, StoreError>((items, last, is_last))
        })?;
        (page.items, page.is_last) = (items as u64, is_last);
        if page.items == 0 {
            return Err(nothing().into());
        }
        if is_continued || !page.is_last {
            let next = Token {
                after: last,
                cursor: place.cursor + page.items,
                total,
                ..place.clone()
            };
            page.token = (!page.is_last).then(|| next.write(state));
            let text = page.token.as_deref().unwrap_or_default();
            xml::push_token(out, text, place.cursor, total);
        }
        out.extend_from_slice(format!("</{element}>").as_bytes());
        Ok(page)
    }

    /// Appends a record, or its header alone unless `whole`. A record that cannot be written in the format is
    /// shown as deleted: a harvester can have it from earlier.
    fn push_item(
        &self,
        item: &ServedRecord,
        writing: Writing,
        asked_set: Option<&str>,
        sources: &[ServedSource],
        whole: bool,
        out: &mut Vec<u8>,
    ) {
        let record = &item.record;
        let is_live = record.deletion.is_none();
        let written = match is_live && (whole || writing.can_fail()) {
            true => formats::write(record, writing),
            false => None,
        };
        let is_deleted = !is_live || (written.is_none() && (whole || writing.can_fail()));
        let identifier = self.identifier(item);
        let set_specs = set_specs(record, asked_set);
        let datestamp = xml::at(second_of(record.version));
        if whole {
            out.extend_from_slice(b"<record>");
        }
        xml::push_header(out, &identifier, &datestamp, &set_specs, is_deleted);
        if whole {
            if let Some(written) = written {
                out.extend_from_slice(b"<metadata>");
                out.extend_from_slice(written.metadata.as_bytes());
                out.extend_from_slice(b"</metadata>");
                let found = sources.binary_search_by(|source| source.name.cmp(&record.source));
                if let Ok(at) = found {
                    push_provenance(out, record, &sources[at], &datestamp, !written.is_received);
                }
                if let Some(extra) = record.extra.as_deref().filter(|_| written.is_received)
                    && extra.starts_with("<about")
                {
                    out.extend_from_slice(extra.as_bytes());
                }
            }
            out.extend_from_slice(b"</record>");
        }
        out.push(b'\n');
    }

    /// The identifier of an item in the repository.
    fn identifier<'r>(&self, item: &'r ServedRecord) -> std::borrow::Cow<'r, str> {
        let record = &item.record;
        match item.is_second {
            false => record.identifier.as_str().into(),
            true => format!(
                "oai:{}:{}:{}",
                self.settings.identifier_namespace, record.source, record.identifier
            )
            .into(),
        }
    }
}

/// The Identify element. Without the oldest second, as before the store is read, it is left out.
pub fn identify(settings: &ProviderSettings, base_url: &str, oldest: Option<i64>) -> String {
    let mut out = b"<Identify>\n".to_vec();
    let mut line = |name: &str, text: &str| {
        push_element(&mut out, name, text);
        out.push(b'\n');
    };
    line("repositoryName", &settings.repository_name);
    line("baseURL", base_url);
    line("protocolVersion", "2.0");
    for email in &settings.admin_emails {
        line("adminEmail", email);
    }
    if let Some(oldest) = oldest {
        line("earliestDatestamp", &xml::at(oldest));
    }
    line(
        "deletedRecord",
        match settings.forgets_deletions {
            true => "transient",
            false => "persistent",
        },
    );
    line("granularity", "YYYY-MM-DDThh:mm:ssZ");
    line("compression", "gzip");
    out.extend_from_slice(b"</Identify>");
    String::from_utf8_lossy(&out).into_owned()
}

fn verb_of(request: &Request) -> Verb {
    match request {
        Request::Identify => Verb::Identify,
        Request::ListMetadataFormats { .. } => Verb::ListMetadataFormats,
        Request::ListSets { .. } => Verb::ListSets,
        Request::List { verb, .. } => *verb,
        Request::GetRecord { .. } => Verb::GetRecord,
    }
}

fn no_such_item() -> OaiError {
    let message = "the repository has no item with this identifier";
    OaiError::new(ErrorCode::IdDoesNotExist, message)
}

/// The place where a new list begins.
fn begin(verb: Verb, selection: &Selection, settings: u64, state: &ServingState) -> Token {
    let after = selection.from.map_or(Version(0), before);
    let upto = selection
        .until
        .map_or(state.newest, |until| before(until.plus_seconds(1)));
    Token {
        verb,
        metadata_prefix: selection.metadata_prefix.clone(),
        set: selection.set.clone(),
        after,
        upto: upto.min(state.newest),
        cursor: 0,
        total: None,
        forgotten: state.forgotten,
        settings,
        last_set: None,
    }
}

/// The last version before a second.
fn before(second: Datestamp) -> Version {
    let milliseconds = second.unix().saturating_mul(1000);
    let first = milliseconds.clamp(0, i64::MAX >> VERSION_BITS) << VERSION_BITS;
    Version((first - 1).max(0))
}

/// The second of a version.
fn second_of(version: Version) -> i64 {
    version.unix_ms().div_euclid(1000)
}

/// Whether a set is `set`, or above or below it.
fn is_related(spec: &str, set: &str) -> bool {
    let is_below = |a: &str, b: &str| {
        let rest = a.strip_prefix(b);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    is_below(spec, set) || is_below(set, spec)
}

/// The sets in a record's header. If it was asked for as part of a set, that one is among them also when the
/// record has left it: it is deleted there.
fn set_specs(record: &StoredRecord, asked: Option<&str>) -> Vec<String> {
    let mut specs = vec![sets::set_spec(&record.source, None)];
    for spec in &record.set_specs {
        let spec = sets::set_spec(&record.source, Some(spec));
        if !specs.contains(&spec) {
            specs.push(spec);
        }
    }
    if let Some(asked) = asked
        && !specs
            .iter()
            .any(|spec| is_related(spec, asked) && spec.len() >= asked.len())
    {
        specs.push(asked.to_owned());
    }
    specs
}

/// Appends where a record comes from.
///
/// Source: Implementation guidelines for OAI-PMH 2.0, provenance.
fn push_provenance(
    out: &mut Vec<u8>,
    record: &StoredRecord,
    source: &ServedSource,
    harvested: &str,
    is_altered: bool,
) {
    let Some((datestamp, granularity)) = Datestamp::parse(&record.datestamp) else {
        return;
    };
    let metadata = record.metadata.as_deref().unwrap_or_default();
    let namespace = formats::root_of(metadata).map(|root| root.namespace);
    out.extend_from_slice(
        b"<about><provenance xmlns=\"http://www.openarchives.org/OAI/2.0/provenance\" \
          xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/provenance \
          http://www.openarchives.org/OAI/2.0/provenance.xsd\"><originDescription harvestDate=\"",
    );
    out.extend_from_slice(harvested.as_bytes());
    out.extend_from_slice(match is_altered {
        true => b"\" altered=\"true\">",
        false => b"\" altered=\"false\">",
    });
    push_element(out, "baseURL", &source.base_url);
    push_element(out, "identifier", &record.identifier);
    push_element(out, "datestamp", &datestamp.render(granularity));
    push_element(out, "metadataNamespace", &namespace.unwrap_or_default());
    out.extend_from_slice(b"</originDescription></provenance></about>");
}
