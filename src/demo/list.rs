//! Pages of lists: what is selected, where a page starts, and how the list goes on.

use std::sync::Arc;

use super::answer::{Arguments, BAD_ARGUMENT, BAD_TOKEN, CANNOT_DISSEMINATE, NO_MATCH, Refusal};
use super::model::{Model, Selection};
use super::token::{self, Place, Selector};
use super::{page, seconds};
use crate::oai::request::Verb;
use crate::oai::{Datestamp, Granularity};

/// The number of seconds from an answer to the `expirationDate` of its token. Tokens stay valid
/// after that.
const TOKEN_LIFETIME: i64 = 86_400;

impl Model {
    /// Answers ListRecords and ListIdentifiers.
    pub(super) fn list(
        &self,
        out: &mut String,
        verb: Verb,
        arguments: Arguments<'_>,
        now: Datestamp,
    ) -> Result<(), Refusal> {
        let key = self.settings.premium_key.as_deref();
        let privileged = key.is_some() && arguments.get("api_key") == key;
        let text = |name: &str| arguments.get(name).map(str::to_owned);
        let (selector, place) = if let Some(token) = arguments.get("resumptionToken") {
            let resumes = verb == Verb::ListRecords || self.settings.list_identifiers_resumes;
            if !(resumes || privileged)
                || arguments.has_any(&["metadataPrefix", "from", "until", "set"])
            {
                return Err(BAD_ARGUMENT);
            }
            token::read(token).ok_or(BAD_TOKEN)?
        } else {
            let selector = Selector {
                prefix: text("metadataPrefix").ok_or(BAD_ARGUMENT)?,
                from: text("from"),
                until: text("until"),
                set: text("set"),
            };
            (selector, Place::default())
        };
        let page = self.list_page(selector, &place, privileged, now)?;
        self.write_list(out, verb, &page, now)
    }

    fn write_list(
        &self,
        out: &mut String,
        verb: Verb,
        page: &ListPage,
        now: Datestamp,
    ) -> Result<(), Refusal> {
        let selector = &page.selector;
        let format = self
            .settings
            .format(&selector.prefix)
            .ok_or(CANNOT_DISSEMINATE)?;
        let stored = || page.identifiers.iter().filter_map(|id| self.get(id));
        let metadata = || stored().filter_map(|found| found.item.metadata(&selector.prefix));
        let bytes: usize = match verb {
            Verb::ListRecords => metadata().map(str::len).sum(),
            _ => 0,
        };
        out.reserve(bytes + 600 * page.identifiers.len() + 2_000);
        let attributes = [
            ("verb", Some(verb.name())),
            ("from", selector.from.as_deref()),
            ("until", selector.until.as_deref()),
            ("set", selector.set.as_deref()),
            ("metadataPrefix", Some(selector.prefix.as_str())),
        ];
        page::open(out, &self.base_url, now, &attributes);
        out.push('<');
        out.push_str(verb.name());
        out.push('>');
        for item in stored() {
            match verb {
                Verb::ListRecords => page::record(out, item, format),
                _ => page::header(out, item, format),
            }
        }
        if let Some(token) = &page.token {
            let expires = now.plus_seconds(TOKEN_LIFETIME);
            page::resumption_token(out, token, page.total, page.end, expires);
        }
        out.push_str("</");
        out.push_str(verb.name());
        out.push('>');
        Ok(())
    }

    /// Cuts a page out of a list that is made anew for it.
    fn list_page(
        &self,
        mut selector: Selector,
        place: &Place,
        privileged: bool,
        now: Datestamp,
    ) -> Result<ListPage, Refusal> {
        if !privileged {
            self.lower_until(&mut selector, now);
        }
        self.settings
            .format(&selector.prefix)
            .ok_or(CANNOT_DISSEMINATE)?;
        let from = self.bound(selector.from.as_deref())?;
        let until = self.bound(selector.until.as_deref())?;
        let mut selection = Selection {
            prefix: &selector.prefix,
            from: from.map(|(at, _)| at),
            until: until.map(bound_end),
            set: selector.set.as_deref(),
        };
        let mut skip = place.given;
        if let Some((datestamp, count)) = &place.after {
            let at = self.bound(Some(datestamp))?.ok_or(BAD_TOKEN)?;
            if self.settings.newest_first {
                // The clamp holds on each page, also for a token that was given to a better key.
                let end = bound_end(at);
                selection.until = Some(selection.until.map_or(end, |until| until.min(end)));
            } else {
                selection.from = Some(selection.from.map_or(at.0, |from| from.max(at.0)));
            }
            skip = *count;
        }
        // A skip beyond all memory is one beyond the end of the list.
        let offset = usize::try_from(skip).unwrap_or(usize::MAX);
        let (left, identifiers) = self.select(&selection, offset, self.settings.page_size.max(1));
        if identifiers.is_empty() {
            return Err(NO_MATCH);
        }
        // Saturating, since tokens are unsigned and may say anything.
        let total = place.given.saturating_add(left as u64).saturating_sub(skip);
        let end = place.given.saturating_add(identifiers.len() as u64);
        let token = if end < total {
            let after = self.position_after(&identifiers, place.after.as_ref());
            Some(token::write(&selector, &Place { given: end, after }))
        } else {
            (place.given > 0).then(String::new)
        };
        Ok(ListPage {
            selector,
            identifiers,
            end,
            total,
            token,
        })
    }

    /// Applies the clamp to the `until` of a request.
    fn lower_until(&self, selector: &mut Selector, now: Datestamp) {
        let Some(clamp) = self.settings.clamp else {
            return;
        };
        let limit = now.plus_seconds(seconds(clamp).saturating_neg());
        let later = |text: &str| Datestamp::parse(text).is_some_and(|at| bound_end(at) > limit);
        if selector.until.as_deref().is_none_or(later) {
            selector.until = Some(limit.render(self.settings.granularity));
        }
    }

    /// DOAJ's position: the last datestamp of the page and how many items of it were given. Pages
    /// that hold this datestamp alone add up.
    fn position_after(
        &self,
        identifiers: &[Arc<str>],
        before: Option<&(String, u64)>,
    ) -> Option<(String, u64)> {
        let datestamp = |identifier: &Arc<str>| {
            let item = self.item(identifier)?;
            Some(item.datestamp.render(self.settings.granularity))
        };
        let last = datestamp(identifiers.last()?)?;
        let same = identifiers
            .iter()
            .rev()
            .take_while(|identifier| datestamp(identifier).as_ref() == Some(&last))
            .count();
        let earlier = before
            .filter(|(at, _)| same == identifiers.len() && *at == last)
            .map_or(0, |(_, count)| *count);
        Some((last, earlier.saturating_add(same as u64)))
    }

    /// Reads a `from` or `until`: exactly as the protocol writes it, a day always, a second only
    /// where datestamps have seconds.
    fn bound(&self, text: Option<&str>) -> Result<Option<(Datestamp, Granularity)>, Refusal> {
        let Some(text) = text else { return Ok(None) };
        let bound = Datestamp::parse(text).ok_or(BAD_ARGUMENT)?;
        let finest = self.settings.granularity;
        let allowed = bound.1 == Granularity::Day || finest == Granularity::Second;
        if allowed && bound.0.render(bound.1) == text {
            Ok(Some(bound))
        } else {
            Err(BAD_ARGUMENT)
        }
    }
}

/// A page of a list, before it is written.
struct ListPage {
    /// What `<request>` echoes: `until` is lowered already.
    selector: Selector,
    identifiers: Vec<Arc<str>>,
    /// Items given up to the end of this page.
    end: u64,
    /// Items in the whole list.
    total: u64,
    /// `None` for a list of one page; empty on the last page of a longer one.
    token: Option<String>,
}

/// The last instant that an inclusive upper bound covers.
fn bound_end((at, granularity): (Datestamp, Granularity)) -> Datestamp {
    match granularity {
        Granularity::Day => at.day_end(),
        Granularity::Second => at,
    }
}
