//! Pages of lists: what is selected, where a page starts, and how the list goes on.

use std::sync::Arc;

use super::answer::{
    Arguments, BAD_ARGUMENT, BAD_TOKEN, CANNOT_DISSEMINATE, NO_MATCH, NO_SETS, Refusal,
};
use super::behaviour::{CompleteListSize, Cursor, Order, Tokens};
use super::model::{Model, Selection, Session};
use super::token::{self, Asked, Place};
use super::{page, seconds};
use crate::oai::request::Verb;
use crate::oai::{Datestamp, Granularity};

impl Model {
    /// Answers ListRecords and ListIdentifiers.
    pub(super) fn list(
        &mut self,
        out: &mut String,
        verb: Verb,
        arguments: Arguments<'_>,
        now: Datestamp,
    ) -> Result<(), Refusal> {
        let selective = ["metadataPrefix", "from", "until", "set"];
        let key = self.behaviour.premium_key.as_deref();
        let privileged = key.is_some() && arguments.get("api_key") == key;
        let slice = if let Some(token) = arguments.get("resumptionToken") {
            let refused = verb == Verb::ListIdentifiers
                && !self.behaviour.list_identifiers_resumes
                && !privileged;
            if refused || arguments.has_any(&selective) {
                return Err(BAD_ARGUMENT);
            }
            self.expect(arguments, &["resumptionToken"])?;
            match self.behaviour.tokens {
                Tokens::Session => self.resume_session(token, now)?,
                Tokens::Doaj => {
                    let (asked, place) = token::read_doaj(token).ok_or(BAD_TOKEN)?;
                    self.slice(asked, place, privileged, now)?
                }
                Tokens::Offset => {
                    let (asked, place) = token::read_offset(token).ok_or(BAD_TOKEN)?;
                    self.slice(asked, place, privileged, now)?
                }
            }
        } else {
            self.expect(arguments, &selective)?;
            let text = |name: &str| arguments.get(name).map(str::to_owned);
            let asked = Asked {
                prefix: text("metadataPrefix").ok_or(BAD_ARGUMENT)?,
                from: text("from"),
                until: text("until"),
                set: text("set"),
            };
            self.slice(asked, Place::default(), privileged, now)?
        };
        self.write_list(out, verb, &slice, now)
    }

    fn write_list(
        &self,
        out: &mut String,
        verb: Verb,
        slice: &Slice,
        now: Datestamp,
    ) -> Result<(), Refusal> {
        let asked = &slice.asked;
        let format = self
            .behaviour
            .format(&asked.prefix)
            .ok_or(CANNOT_DISSEMINATE)?;
        let stored = || slice.identifiers.iter().filter_map(|id| self.get(id));
        let metadata = || stored().filter_map(|found| found.item.metadata(&asked.prefix));
        let bytes: usize = match verb {
            Verb::ListRecords => metadata().map(str::len).sum(),
            _ => 0,
        };
        out.reserve(bytes + 600 * slice.identifiers.len() + 2_000);
        let attributes = [
            ("verb", Some(verb.name())),
            ("from", asked.from.as_deref()),
            ("until", asked.until.as_deref()),
            ("set", asked.set.as_deref()),
            ("metadataPrefix", Some(asked.prefix.as_str())),
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
        if let Some(token) = &slice.token {
            let size = match self.behaviour.complete_list_size {
                CompleteListSize::Exact => Some(slice.total),
                CompleteListSize::Absent => None,
                CompleteListSize::Wrong(size) => Some(size),
            };
            let cursor = match self.behaviour.cursor {
                Cursor::PageEnd => slice.start.saturating_add(slice.identifiers.len() as u64),
                Cursor::PageStart => slice.start,
            };
            let expires = self
                .behaviour
                .token_lifetime
                .map(|lifetime| now.plus_seconds(seconds(lifetime)));
            page::resumption_token(out, token, size, cursor, expires);
        }
        out.push_str("</");
        out.push_str(verb.name());
        out.push('>');
        Ok(())
    }

    /// Cuts a page out of a list that is made anew for it.
    fn slice(
        &mut self,
        mut asked: Asked,
        place: Place,
        privileged: bool,
        now: Datestamp,
    ) -> Result<Slice, Refusal> {
        if !privileged {
            self.lower_until(&mut asked, now);
        }
        let (from, until) = self.check(&asked)?;
        let behaviour = &self.behaviour;
        let newest_first = behaviour.order == Order::NewestFirst;
        let mut selection = Selection {
            prefix: &asked.prefix,
            from: from.filter(|_| !behaviour.ignores_from),
            until,
            set: asked.set.as_deref().filter(|_| !behaviour.ignores_set),
        };
        let mut skip = place.given;
        if let Some((datestamp, count)) = &place.after {
            let at = self.bound(Some(datestamp))?.ok_or(BAD_TOKEN)?;
            if newest_first {
                // The clamp holds on each page, also for a token that was given to a better key.
                let end = bound_end(at);
                selection.until = Some(selection.until.map_or(end, |until| until.min(end)));
            } else {
                selection.from = Some(selection.from.map_or(at.0, |from| from.max(at.0)));
            }
            skip = *count;
        }
        let session = behaviour.tokens == Tokens::Session;
        let take = if session {
            usize::MAX
        } else {
            behaviour.page_size.max(1)
        };
        // A skip beyond all memory is one beyond the end of the list.
        let offset = usize::try_from(skip).unwrap_or(usize::MAX);
        let (left, identifiers) = self.select(&selection, newest_first, offset, take);
        if identifiers.is_empty() {
            return Err(NO_MATCH);
        }
        if session {
            return Ok(self.open_session(asked, identifiers, now));
        }
        let total = place.given.saturating_add(left as u64).saturating_sub(skip);
        Ok(Slice {
            token: self.next_token(&asked, &place, &identifiers, total),
            start: place.given,
            asked,
            identifiers,
            total,
        })
    }

    /// Applies the clamp to what was asked for.
    fn lower_until(&self, asked: &mut Asked, now: Datestamp) {
        let Some(limit) = self.clamped_until(now) else {
            return;
        };
        let later = |text: &str| Datestamp::parse(text).is_some_and(|at| bound_end(at) > limit);
        if asked.until.as_deref().is_none_or(later) {
            asked.until = Some(limit.render(self.behaviour.granularity));
        }
    }

    /// Checks what was asked for, and gives its bounds, both inclusive.
    fn check(&self, asked: &Asked) -> Result<(Option<Datestamp>, Option<Datestamp>), Refusal> {
        let behaviour = &self.behaviour;
        behaviour.format(&asked.prefix).ok_or(CANNOT_DISSEMINATE)?;
        let from = self.bound(asked.from.as_deref())?;
        let until = self.bound(asked.until.as_deref())?;
        if let (Some(from), Some(until), false) = (from, until, behaviour.lenient)
            && (from.1 != until.1 || from.0 > until.0)
        {
            return Err(BAD_ARGUMENT);
        }
        if let Some(set) = &asked.set {
            if !behaviour.sets {
                return Err(NO_SETS);
            }
            // DOAJ decodes a setSpec before it looks for it.
            if behaviour.tokens == Tokens::Doaj && token::read_set_spec(set).is_none() {
                return Err(BAD_ARGUMENT);
            }
        }
        Ok((from.map(|from| from.0), until.map(bound_end)))
    }

    /// The token after a page: `None` for a list of one page, empty on the last page of a longer
    /// one.
    fn next_token(
        &self,
        asked: &Asked,
        place: &Place,
        page: &[Arc<str>],
        total: u64,
    ) -> Option<String> {
        // Saturating, since tokens are unsigned and may say anything.
        let given = place.given.saturating_add(page.len() as u64);
        if given >= total {
            return (place.given > 0).then(String::new);
        }
        if self.behaviour.tokens == Tokens::Doaj {
            let after = self.position_after(page, place.after.as_ref());
            Some(token::write_doaj(asked, &Place { given, after }))
        } else {
            Some(token::write_offset(asked, &Place { given, after: None }))
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
            let stored = self.get(identifier)?;
            Some(stored.item.datestamp.render(self.behaviour.granularity))
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

    /// Takes down a list and gives its first page.
    fn open_session(&mut self, asked: Asked, identifiers: Vec<Arc<str>>, now: Datestamp) -> Slice {
        self.sessions.opened += 1;
        let token = format!("session-{}", self.sessions.opened);
        let mut session = Session {
            asked,
            identifiers,
            given: 0,
            read_at: now,
        };
        let slice = next_of_session(&mut session, &token, self.behaviour.page_size.max(1));
        if slice.token.is_some() {
            self.sessions.open.insert(token, session);
        }
        slice
    }

    fn resume_session(&mut self, token: &str, now: Datestamp) -> Result<Slice, Refusal> {
        let lifetime = self.behaviour.token_lifetime;
        let mut session = self.sessions.open.remove(token).ok_or(BAD_TOKEN)?;
        if lifetime.is_some_and(|life| session.read_at.plus_seconds(seconds(life)) < now) {
            return Err(BAD_TOKEN);
        }
        session.read_at = now;
        let slice = next_of_session(&mut session, token, self.behaviour.page_size.max(1));
        if session.given < session.identifiers.len() {
            self.sessions.open.insert(token.to_owned(), session);
        }
        Ok(slice)
    }

    /// Reads a `from` or `until`: exactly as the protocol writes it, a day always, a second only
    /// where datestamps have seconds.
    fn bound(&self, text: Option<&str>) -> Result<Option<(Datestamp, Granularity)>, Refusal> {
        let Some(text) = text else { return Ok(None) };
        let bound = Datestamp::parse(text).ok_or(BAD_ARGUMENT)?;
        let finest = self.behaviour.granularity;
        let allowed = bound.1 == Granularity::Day || finest == Granularity::Second;
        if allowed && bound.0.render(bound.1) == text {
            Ok(Some(bound))
        } else {
            Err(BAD_ARGUMENT)
        }
    }
}

/// A page of a list, before it is written.
struct Slice {
    /// What to echo: `until` is lowered already.
    asked: Asked,
    identifiers: Vec<Arc<str>>,
    /// Items given before this page.
    start: u64,
    /// Items in the whole list.
    total: u64,
    /// `None` for a list of one page; empty on the last page of a longer one.
    token: Option<String>,
}

fn next_of_session(session: &mut Session, token: &str, page_size: usize) -> Slice {
    let start = session.given;
    let end = (start + page_size).min(session.identifiers.len());
    session.given = end;
    let ended = end == session.identifiers.len();
    let text = if ended {
        String::new()
    } else {
        token.to_owned()
    };
    Slice {
        asked: session.asked.clone(),
        identifiers: session
            .identifiers
            .get(start..end)
            .unwrap_or_default()
            .to_vec(),
        start: start as u64,
        total: session.identifiers.len() as u64,
        token: (start > 0 || !ended).then_some(text),
    }
}

/// The last instant that an inclusive upper bound covers.
fn bound_end((at, granularity): (Datestamp, Granularity)) -> Datestamp {
    match granularity {
        Granularity::Day => at.day_end(),
        Granularity::Second => at,
    }
}
