//! The identifiers of one window, for windows whose records cannot be listed.

use std::collections::BTreeSet;

use super::PassRun;
use crate::harvest::learn;
use crate::harvest::reading::{Tokens, token_in_request};
use crate::harvest::request_form;
use crate::harvest::requester::RequestError;
use crate::harvest::run::Halt;
use crate::harvest::span;
use crate::harvest::watermark::{self, Evidence};
use crate::oai::client::Transport;
use crate::oai::request::Verb;
use crate::oai::response::{List, Paging};
use crate::oai::{Content, Datestamp, Header, Request};
use crate::store::{Traits, Window};

/// A window of more records is not read record by record.
pub(super) const MAX_IDENTIFIERS: usize = 3_000;

/// A window of at most this many records is read record by record before it is split.
const FEW_IDENTIFIERS: usize = 20;

/// A list of identifiers with more pages goes in circles.
const MAX_PAGES: u32 = 300;

/// How many identifiers of a window are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// A few, in one page: more pages may move while they are read.
    Few,
    /// All that are read record by record at the most.
    All,
}

impl Wanted {
    /// Whether a list is longer, which has brought so many and goes on or does not.
    fn is_exceeded(self, count: usize, goes_on: bool) -> bool {
        match self {
            Self::Few => count > FEW_IDENTIFIERS || goes_on,
            Self::All => count > MAX_IDENTIFIERS,
        }
    }
}

/// The answer to a request for the identifiers of a window.
pub(super) enum WindowIdentifiers {
    /// The whole list.
    Listed {
        /// Its headers.
        headers: Vec<Header>,
        /// The `until` to which the repository lowered that of the window.
        lowered: Option<Datestamp>,
        /// More were announced. The size may be wrong.
        is_short: bool,
    },
    /// Most headers have other dates than were asked for.
    OtherDates,
    /// More than were wanted, or not surely fewer.
    TooMany,
    /// No usable list, for this reason.
    Failed(String),
}

impl<T: Transport> PassRun<'_, '_, T> {
    /// Whether a window has more identifiers than its only page has items. Then lists of that size are
    /// cut off.
    pub(super) async fn is_cut_off(&mut self, window: &Window, items: u64) -> Result<bool, Halt> {
        let has_more = !self.lists_identifiers()
            && matches!(
                self.list_headers(window, Verb::ListIdentifiers, Wanted::All).await?,
                WindowIdentifiers::Listed { headers, .. } if headers.len() as u64 > items
            );
        if has_more {
            self.run.repository.traits.cut_off_at = Some(items);
        }
        Ok(has_more)
    }

    /// Lists identifiers, each once. If an identifier came twice, the list may have moved while it was
    /// read, and others may be missing between two pages. If fewer came than were announced, it may be cut off. Then
    /// the same list has to come again.
    pub(super) async fn list_identifiers_at_rest(
        &mut self,
        window: &Window,
    ) -> Result<WindowIdentifiers, Halt> {
        let mut verb = Verb::ListIdentifiers;
        let mut listed = self.list_headers(window, verb, Wanted::All).await?;
        // A list in another format still shows which records there are.
        if matches!(listed, WindowIdentifiers::Failed(_)) && self.run.repository.shows_other_format
        {
            verb = Verb::ListRecords;
            listed = self.list_headers(window, verb, Wanted::All).await?;
        }
        let WindowIdentifiers::Listed {
            headers, is_short, ..
        } = &mut listed
        else {
            return Ok(listed);
        };
        let count = headers.len();
        let first = unique(headers);
        if headers.len() == count && !*is_short {
            return Ok(listed);
        }
        let mut again = self.list_headers(window, verb, Wanted::All).await?;
        if let WindowIdentifiers::Listed { headers, .. } = &mut again
            && unique(headers) != first
        {
            let note = "the list of identifiers was another one when it was read again".to_owned();
            return Ok(WindowIdentifiers::Failed(note));
        }
        Ok(again)
    }

    /// Lists the identifiers of a window if they are at most 20, in one page, and each once.
    pub(super) async fn list_few_identifiers(
        &mut self,
        window: &Window,
    ) -> Result<WindowIdentifiers, Halt> {
        let verb = Verb::ListIdentifiers;
        let mut listed = self.list_headers(window, verb, Wanted::Few).await?;
        if let WindowIdentifiers::Listed {
            headers, is_short, ..
        } = &mut listed
        {
            let count = headers.len();
            if *is_short || unique(headers).len() < count {
                // The list may be cut off or have moved, and may lack others.
                return Ok(WindowIdentifiers::TooMany);
            }
        }
        Ok(listed)
    }

    /// Lists the headers of a window, by ListIdentifiers or out of ListRecords, as far as they are wanted.
    async fn list_headers(
        &mut self,
        window: &Window,
        verb: Verb,
        wanted: Wanted,
    ) -> Result<WindowIdentifiers, Halt> {
        let run = &mut *self.run;
        let prefix = &run.settings.metadata_prefix;
        let traits = &mut run.repository.traits;
        let set = window.set_spec.as_deref();
        let first = request_form::first(prefix, set, window.span, traits);
        let mut request = request_form::list(verb, first);
        let granularity = request_form::granularity(traits);
        let (_, asked_text) = span::render(window.span, granularity);
        let mut lowered = None;
        let mut headers = Vec::new();
        let mut tokens = Tokens::default();
        let mut guesses = false;
        let mut announced = 0;
        for _ in 0..MAX_PAGES {
            let fetched = match run.requester.ask(&request, 1).await {
                Ok(fetched) => fetched,
                Err(RequestError::Failed { why, .. }) => {
                    return Ok(WindowIdentifiers::Failed(why));
                }
                Err(error) => match error.refuses_this_request() {
                    Some(why) => return Ok(WindowIdentifiers::Failed(why.to_owned())),
                    None => return Err(error.into()),
                },
            };
            let echoed = fetched.response.request.resumption_token.as_deref();
            match headers_alone(fetched.response.content) {
                Content::Identifiers(mut list) => {
                    if list.token.is_none()
                        && list.paging == Paging::default()
                        && (guesses || headers.is_empty())
                    {
                        list.token = token_in_request(echoed, tokens.sent());
                        guesses = list.token.is_some();
                    }
                    if let Some(bad) = list.bad.first() {
                        return failed(format!("ListIdentifiers: {}", bad.reason));
                    }
                    if have_other_dates(&list.items, window, traits) {
                        return Ok(WindowIdentifiers::OtherDates);
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
                    announced = announced.max(list.paging.complete_list_size.unwrap_or(0));
                    headers.extend(list.items);
                    let is_lost = tokens.add_page(list.token.as_ref(), fetched.cost.requests > 1);
                    let ends_short = list.token.is_none()
                        && list.paging.complete_list_size != Some(headers.len() as u64);
                    if is_lost || (ends_short && tokens.may_lack_a_page()) {
                        return failed("a page of identifiers may have been lost".to_owned());
                    }
                    if wanted.is_exceeded(headers.len(), list.token.is_some()) {
                        return Ok(WindowIdentifiers::TooMany);
                    }
                    let Some(token) = list.token else {
                        let is_bare = list.paging == Paging::default();
                        if is_bare && traits.cut_off_at == Some(headers.len() as u64) {
                            return failed("the list of identifiers is cut off as well".to_owned());
                        }
                        return Ok(WindowIdentifiers::Listed {
                            is_short: !traits.list_size_lies && announced > headers.len() as u64,
                            headers,
                            lowered,
                        });
                    };
                    request = request_form::resume(verb, &token, prefix, traits);
                }
                Content::Errors(errors) => {
                    let resumes = matches!(request, Request::Resume { .. });
                    if resumes && !guesses && verb == Verb::ListIdentifiers {
                        // DOAJ refuses these tokens, and accepts those of ListRecords.
                        learn::failing_verb(traits, Verb::ListIdentifiers);
                    }
                    let code = errors
                        .first()
                        .map_or("an error without a code", |error| &error.code);
                    return failed(format!("ListIdentifiers: {code}"));
                }
                _ => return failed("ListIdentifiers brought no identifiers".to_owned()),
            }
        }
        failed(format!("more than {MAX_PAGES} pages of identifiers"))
    }
}

/// Whether headers have other dates than the part of a list that was asked for. Where the first record of
/// each list breaks its page, no list of records shows that dates are ignored.
fn have_other_dates(headers: &[Header], window: &Window, traits: &Traits) -> bool {
    let texts = headers.iter().map(|header| header.datestamp.as_str());
    let granularity = request_form::granularity(traits);
    !traits.ignores_dates && window.part && span::are_outside(texts, window.span, granularity, true)
}

/// A list of records as a list of their headers.
fn headers_alone(content: Content) -> Content {
    match content {
        Content::Records(list) => Content::Identifiers(List {
            items: list.items.into_iter().map(|record| record.header).collect(),
            bad: list.bad,
            token: list.token,
            paging: list.paging,
        }),
        other => other,
    }
}

fn failed(why: String) -> Result<WindowIdentifiers, Halt> {
    Ok(WindowIdentifiers::Failed(why))
}

/// Leaves each header once, the last of those with one identifier, and gives the identifiers. A live
/// header counts more than a deleted one: its record is asked for, so that GetRecord decides.
fn unique(headers: &mut Vec<Header>) -> BTreeSet<String> {
    let is_live = |header: &&Header| !header.deleted;
    let live: BTreeSet<String> = headers
        .iter()
        .filter(is_live)
        .map(|header| header.identifier.clone())
        .collect();
    let mut seen = BTreeSet::new();
    headers.reverse();
    headers.retain(|header| {
        (!header.deleted || !live.contains(&header.identifier))
            && seen.insert(header.identifier.clone())
    });
    headers.reverse();
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_is_left_once() {
        let header = |(identifier, datestamp, deleted): &(&str, &str, bool)| Header {
            identifier: (*identifier).to_owned(),
            datestamp: (*datestamp).to_owned(),
            set_specs: Vec::new(),
            deleted: *deleted,
        };
        let listed = [
            ("a", "1", false),
            ("b", "2", false),
            ("b", "3", true),
            ("c", "4", true),
            ("a", "5", false),
            ("c", "6", true),
        ];
        let mut headers: Vec<Header> = listed.iter().map(header).collect();
        let identifiers = unique(&mut headers);
        let left = [("b", "2", false), ("a", "5", false), ("c", "6", true)];
        let left: Vec<Header> = left.iter().map(header).collect();
        assert_eq!(headers, left);
        assert_eq!(identifiers.len(), 3);
    }
}
