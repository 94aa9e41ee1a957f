//! What is done about windows that fail: read again, cut smaller, read record by record.

use std::collections::BTreeSet;

use super::alone::Got;
use super::windows::{commit, flush};
use super::{Halt, Run};
use crate::harvest::adapt;
use crate::harvest::commit::Committer;
use crate::harvest::fetch::Trouble;
use crate::harvest::learn;
use crate::harvest::reading::Tokens;
use crate::harvest::span;
use crate::harvest::watermark::{self, Evidence};
use crate::oai::client::Transport;
use crate::oai::request::Verb;
use crate::oai::response::{BadItem, Paging};
use crate::oai::{Content, Datestamp, Header, Record, Request};
use crate::store::{Cost, Ending, NewWindow, PageStep, Source, Span, Step, WarningKind, Window};

/// A window that ends without another try in this run.
const MOST_RESTARTS: u32 = 3;

/// So many windows are cut because they fail before a run gives up on them.
const MOST_FAILING_CUTS: u32 = 400;

const IGNORES_DATES: &str = "the repository ignores from and until; each pass reads everything";

/// Records of one second (or day) that are asked for one by one, at the most.
const MOST_ONE_BY_ONE: usize = 3_000;

/// So many of them without any answer end the asking for now.
const MOST_UNANSWERED: u32 = 5;

/// Pages that such a list of identifiers may have; one that has more goes in circles.
const MOST_PAGES_OF_IDENTIFIERS: u32 = 300;

/// So many windows may fail, one after the other, before the list itself is given up: a single
/// record that breaks its list is found by halving within as many.
const MOST_FAILURES_IN_A_ROW: u32 = 40;

/// What reading a window record by record brought.
enum Alone {
    /// All of it, as far as it is there.
    Read(Box<PageStep>),
    /// The identifiers are of other dates than was asked for.
    OfOtherDates,
    /// That does not work either.
    InVain(String),
}

/// What a list of identifiers brought.
enum Listed {
    /// All of it, and the `until` to which the repository lowered that of the window.
    Headers(Vec<Header>, Option<Datestamp>),
    /// Most of it is of other dates than was asked for.
    OfOtherDates,
    /// Nothing that is of use.
    InVain(String),
}

impl<T: Transport> Run<'_, T> {
    /// Whether the identifiers of a window are more than the items that its only page has: then lists of
    /// that size are cut off.
    pub(super) async fn is_cut_off(&mut self, window: &Window, items: u64) -> Result<bool, Halt> {
        let has_more = !self.lists_identifiers()
            && matches!(
                self.list_identifiers(window).await?,
                Listed::Headers(headers, _) if headers.len() as u64 > items
            );
        if has_more {
            self.traits.cut_off_at = Some(items);
        }
        Ok(has_more)
    }

    /// The token is dead: the window begins again, and if that keeps happening it is cut.
    pub(super) async fn restart(
        &mut self,
        window: Window,
        note: String,
        committer: &Committer,
    ) -> Result<Option<String>, Halt> {
        // What an earlier run has read comes again, and is not what a limit is for.
        if let Some(left) = self.left.as_mut().filter(|_| window.token.is_some()) {
            *left += window.items;
        }
        let restarts = self.restarts.entry(window.id).or_default();
        *restarts += 1;
        if *restarts > MOST_RESTARTS {
            return self.mend(window, note, Cost::default(), committer).await;
        }
        self.note_trouble(&note, "reading the window again");
        commit(
            committer,
            Step::Restart {
                window: window.id,
                note,
            },
            Default::default(),
        )
        .await?;
        flush(committer).await?;
        Ok(None)
    }

    /// A window fails where the repository as such answers: cut it, so that the rest of it is
    /// stored and only the part with the fault stays open.
    pub(super) async fn mend(
        &mut self,
        window: Window,
        why: String,
        cost: Cost,
        committer: &Committer,
    ) -> Result<Option<String>, Halt> {
        if self.lists_identifiers() && self.heard_at.is_none() {
            return Err(Halt::NoIdentifiers(why));
        }
        let now = self.proof_of_life(&why).await?;
        self.failing_cuts += 1;
        self.failing_in_a_row += 1;
        if self.failing_in_a_row > MOST_FAILURES_IN_A_ROW {
            return Err(Halt::Down(format!(
                "{why}; and so it was with {MOST_FAILURES_IN_A_ROW} windows in a row"
            )));
        }
        let spans = now
            .filter(|_| !self.traits.ignores_dates && self.failing_cuts <= MOST_FAILING_CUTS)
            .and_then(|now| {
                // What is held back shows in no part but the last, which has no end. A part that is
                // empty only now would be taken for read, should the next one be asked for when it
                // shows something. Where nothing is known of that, the overlap has to do: what so
                // hides in a part is younger than the pass is old.
                let delay = self.traits.delayed_seconds.unwrap_or(0);
                let shown = now.plus_seconds(delay.saturating_neg());
                let granularity = adapt::granularity(&self.traits);
                span::cut(window.span, shown, self.traits.earliest, granularity)
            });
        if let Some(mut spans) = spans {
            // Only the list itself proves how far it reaches: its end stays what it was. One that lies
            // ahead even of the repository's clock bounds nothing; a part would be taken to prove it.
            if let Some(last) = spans.last_mut() {
                last.until = window
                    .span
                    .until
                    .filter(|until| now.is_some_and(|now| *until <= now));
            }
            self.note_trouble(&why, "reading smaller windows");
            let into = spans
                .into_iter()
                .map(|span| NewWindow {
                    set_spec: window.set_spec.clone(),
                    span,
                })
                .collect();
            let step = Step::Split {
                window: window.id,
                into,
                note: why,
            };
            commit(committer, step, Default::default()).await?;
            flush(committer).await?;
            return Ok(None);
        }
        let alone = if self.lists_identifiers() {
            Alone::InVain("identifiers are not worth that".to_owned())
        } else {
            self.read_one_by_one(&window, &why).await?
        };
        match alone {
            Alone::Read(page) => {
                let failed = match &page.ending {
                    Some(Ending::Failed(note)) => Some(note.clone()),
                    _ => None,
                };
                if failed.is_none() {
                    self.failing_in_a_row = 0;
                }
                commit(committer, Step::Page(*page), Default::default()).await?;
                flush(committer).await?;
                Ok(failed)
            }
            Alone::OfOtherDates => {
                let source = self.current_source()?;
                self.read_without_dates(&source, &window, committer).await
            }
            Alone::InVain(note) => {
                let why = format!("{why}; and one by one: {note}");
                let ending = Ending::Failed(why.clone());
                let step = Step::End {
                    window: window.id,
                    ending,
                    cost,
                };
                commit(committer, step, Default::default()).await?;
                flush(committer).await?;
                Ok(Some(why))
            }
        }
    }

    /// The repository's clock, from an answer that shows that not everything fails.
    async fn proof_of_life(&mut self, why: &str) -> Result<Option<Datestamp>, Halt> {
        // Where Identify never works, its failure shows nothing, and a page shows as much.
        if adapt::is_failing(&self.traits, Verb::Identify) {
            return match self.heard_at {
                Some(heard_at) => Ok(Some(heard_at)),
                None => Err(Halt::Down(why.to_owned())),
            };
        }
        match self.requester.ask(&Request::Identify, 0).await {
            Ok(alive) => Ok(self.repository_clock(&alive)),
            // Not this window, but the repository: there is no point in going on.
            Err(Trouble::Exhausted { .. }) => Err(Halt::Down(why.to_owned())),
            Err(trouble) => Err(Halt::from_trouble(trouble)),
        }
    }

    /// Reads a window that cannot be cut any further: lists its identifiers and asks for each
    /// record. Those that the repository answers about, and that cannot be read all the same, are set
    /// aside, so that they alone are missing, and seen. Where no answer comes about one, the window
    /// stays open: it may be whole, and nobody has seen it.
    async fn read_one_by_one(&mut self, window: &Window, why: &str) -> Result<Alone, Halt> {
        let (headers, lowered) = match self.list_identifiers_at_rest(window).await? {
            Listed::Headers(headers, lowered) => (headers, lowered),
            Listed::OfOtherDates => return Ok(Alone::OfOtherDates),
            Listed::InVain(note) => return Ok(Alone::InVain(note)),
        };
        let mut page = PageStep {
            window: window.id,
            begins: Some(lowered),
            ending: Some(Ending::Complete),
            ..PageStep::default()
        };
        let most_bad = headers.len() / 4 + 3;
        let mut unanswered = 0;
        for header in headers {
            if header.deleted {
                page.records.push(Record::tombstone(header));
                continue;
            }
            match self.get_record(&header.identifier).await? {
                Got::Record(record) => page.records.push(*record),
                Got::Unreadable {
                    reason,
                    answered: false,
                    ..
                } => {
                    unanswered += 1;
                    page.ending = Some(Ending::Failed(format!(
                        "{why}; and one by one: no answer about {unanswered} records, one of them \
                         {}: {reason}",
                        header.identifier
                    )));
                    if unanswered == MOST_UNANSWERED {
                        break;
                    }
                }
                answer => {
                    // A list shows it, so that it is not known alone is no better than a fault.
                    let (reason, body) = match answer {
                        Got::Unreadable { reason, body, .. } => (reason, body),
                        _ => ("GetRecord does not know it".to_owned(), None),
                    };
                    page.bad.push(BadItem {
                        reason: format!("its page: {why}; alone: {reason}"),
                        // Without a body the item is still told from others by its name.
                        raw: body.unwrap_or_else(|| header.identifier.clone().into_bytes()),
                        identifier: Some(header.identifier),
                        datestamp: Some(header.datestamp),
                    });
                    if page.bad.len() > most_bad {
                        let count = page.bad.len();
                        return Ok(Alone::InVain(format!(
                            "{count} records failed, one of them: {reason}"
                        )));
                    }
                }
            }
        }
        Ok(Alone::Read(Box::new(page)))
    }

    /// Lists identifiers, each once. Where one came twice, the list may have moved while it was read, and
    /// another have slipped between two pages: the same has to come again.
    async fn list_identifiers_at_rest(&mut self, window: &Window) -> Result<Listed, Halt> {
        let mut listed = self.list_identifiers(window).await?;
        let Listed::Headers(headers, _) = &mut listed else {
            return Ok(listed);
        };
        let came = headers.len();
        let first = unique(headers);
        if headers.len() == came {
            return Ok(listed);
        }
        let mut again = self.list_identifiers(window).await?;
        if let Listed::Headers(headers, _) = &mut again
            && unique(headers) != first
        {
            let note = "the list of identifiers moved while it was read".to_owned();
            return Ok(Listed::InVain(note));
        }
        Ok(again)
    }

    async fn list_identifiers(&mut self, window: &Window) -> Result<Listed, Halt> {
        let prefix = self.settings.metadata_prefix.clone();
        let set = window.set_spec.as_deref();
        let mut request =
            Request::ListIdentifiers(adapt::first(&prefix, set, window.span, &self.traits));
        let granularity = adapt::granularity(&self.traits);
        let (_, asked_text) = span::render(window.span, granularity);
        let mut lowered = None;
        let mut headers = Vec::new();
        let mut tokens = Tokens::default();
        for _ in 0..MOST_PAGES_OF_IDENTIFIERS {
            let fetched = match self.requester.ask(&request, 1).await {
                Ok(fetched) => fetched,
                Err(Trouble::Exhausted { why, .. }) => return Ok(Listed::InVain(why)),
                Err(trouble) => match trouble.refuses_the_request() {
                    Some(why) => return Ok(Listed::InVain(why.to_owned())),
                    None => return Err(Halt::from_trouble(trouble)),
                },
            };
            match fetched.response.content {
                Content::Identifiers(list) => {
                    if let Some(bad) = list.bad.first() {
                        return Ok(Listed::InVain(format!("ListIdentifiers: {}", bad.reason)));
                    }
                    // Where the first record of each list is the one that breaks its page, no list of
                    // records shows it.
                    let texts = list.items.iter().map(|header| header.datestamp.as_str());
                    if !self.traits.ignores_dates
                        && window.part
                        && span::are_outside(texts, window.span, granularity, true)
                    {
                        return Ok(Listed::OfOtherDates);
                    }
                    if headers.is_empty() {
                        let evidence = Evidence {
                            asked_text: asked_text.as_deref(),
                            echoed_until: fetched.response.request.until.as_deref(),
                            ..Evidence::default()
                        };
                        lowered = watermark::echoed_bound(evidence).filter(|echoed| {
                            window.span.until.is_some_and(|until| *echoed < until)
                        });
                    }
                    headers.extend(list.items);
                    let lost = tokens.page(list.token.as_ref(), fetched.cost.requests > 1);
                    let ends_short = list.token.is_none()
                        && list.paging.complete_list_size != Some(headers.len() as u64);
                    if lost || (ends_short && tokens.may_lack_a_page()) {
                        return Ok(Listed::InVain(
                            "a page of identifiers may have been lost".to_owned(),
                        ));
                    }
                    if headers.len() > MOST_ONE_BY_ONE {
                        return Ok(Listed::InVain(format!(
                            "more than {MOST_ONE_BY_ONE} identifiers"
                        )));
                    }
                    let Some(token) = list.token else {
                        let is_bare = list.paging == Paging::default();
                        if is_bare && self.traits.cut_off_at == Some(headers.len() as u64) {
                            let note = "the list of identifiers is cut off as well".to_owned();
                            return Ok(Listed::InVain(note));
                        }
                        return Ok(Listed::Headers(headers, lowered));
                    };
                    request = adapt::resume(Verb::ListIdentifiers, &token, &prefix, &self.traits);
                }
                Content::Errors(errors) => {
                    if matches!(request, Request::Resume { .. }) {
                        // DOAJ does so; ListRecords goes on there all the same.
                        learn::failing_verb(&mut self.traits, Verb::ListIdentifiers);
                    }
                    let said = errors
                        .first()
                        .map_or("an error without a code", |e| &e.code);
                    return Ok(Listed::InVain(format!("ListIdentifiers: {said}")));
                }
                _ => {
                    let note = "ListIdentifiers brought no identifiers".to_owned();
                    return Ok(Listed::InVain(note));
                }
            }
        }
        Ok(Listed::InVain(format!(
            "more than {MOST_PAGES_OF_IDENTIFIERS} pages of identifiers"
        )))
    }

    /// Learns that `from` and `until` have no effect.
    pub(super) fn ignores_dates(&mut self, source: &Source) -> Result<(), Halt> {
        self.traits.ignores_dates = true;
        self.dates_disproven = true;
        self.warn(source, WarningKind::IgnoresDates, Some(IGNORES_DATES))
    }

    /// `from` and `until` have no effect: the parts of a list are all the whole list, so it is read
    /// as one.
    pub(super) async fn read_without_dates(
        &mut self,
        source: &Source,
        window: &Window,
        committer: &Committer,
    ) -> Result<Option<String>, Halt> {
        self.ignores_dates(source)?;
        let pending = self.context.store.pending_windows(window.pass_id)?;
        for other in pending
            .iter()
            .filter(|other| other.set_spec == window.set_spec)
        {
            let into = if other.id == window.id {
                vec![NewWindow {
                    set_spec: window.set_spec.clone(),
                    span: Span::default(),
                }]
            } else {
                Vec::new()
            };
            let step = Step::Split {
                window: other.id,
                into,
                note: IGNORES_DATES.to_owned(),
            };
            commit(committer, step, Default::default()).await?;
        }
        flush(committer).await?;
        Ok(None)
    }
}

/// Leaves each header once, the last of those with one identifier, and gives the identifiers.
fn unique(headers: &mut Vec<Header>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    headers.reverse();
    headers.retain(|header| seen.insert(header.identifier.clone()));
    headers.reverse();
    seen
}
